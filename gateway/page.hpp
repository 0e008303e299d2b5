// The files of the page, which the program carries: web/ as it was when it was built.
#pragma once

#include <span>
#include <string_view>

namespace ferrule::gateway {

struct PageFile {
  std::string_view path;  ///< where it is served: "/", "/page.js"
  std::string_view type;
  std::string_view text;
};

std::span<const PageFile> page_files();
std::span<const PageFile> setup_files();  ///< web/setup: instead of "/", where there is no configuration yet

/// The page loads nothing from elsewhere, has no script or style within its text, and is part of no other page.
inline constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

}  // namespace ferrule::gateway
