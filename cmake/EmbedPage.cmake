# Writes OUTPUT, C++ that has the files of the folder SOURCE as text: cmake -DSOURCE=web -DOUTPUT=page.cpp -P EmbedPage.cmake
set(files "/|index.html|text/html" "/page.css|page.css|text/css" "/favicon.svg|favicon.svg|image/svg+xml")
file(GLOB scripts RELATIVE ${SOURCE} ${SOURCE}/*.js)
foreach(script IN LISTS scripts)
  list(APPEND files "/${script}|${script}|text/javascript")
endforeach()

set(entries "")
foreach(line IN LISTS files)
  string(REPLACE "|" ";" parts "${line}")
  list(GET parts 0 path)
  list(GET parts 1 name)
  list(GET parts 2 type)
  file(READ ${SOURCE}/${name} bytes HEX)
  string(LENGTH "${bytes}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  # In pieces, so that no line is endless.
  string(REGEX REPLACE "(................................................................................)" "\\1\"\n    \"" bytes "${bytes}")
  string(APPEND entries "    PageFile{\"${path}\", \"${type}; charset=utf-8\", {\"${bytes}\", ${length}}},\n")
endforeach()

file(WRITE ${OUTPUT}.new "// Made of web/ by cmake/EmbedPage.cmake.\n#include \"gateway/page.hpp\"\n\n#include <array>\n\n\
namespace ferrule::gateway {\n\nstd::span<const PageFile> page_files() {\n  static constexpr std::array kFiles{\n${entries}  };\n\
  return kFiles;\n}\n\n}  // namespace ferrule::gateway\n")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT})
