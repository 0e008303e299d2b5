# Writes OUTPUT, C++ that has the files of the folder SOURCE as text: cmake -DSOURCE=web -DOUTPUT=page.cpp -P EmbedPage.cmake
set(types html=text/html css=text/css js=text/javascript svg=image/svg+xml)

# embed(FUNCTION FOLDER): a function that returns what is in the folder.
function(embed function folder)
  set(entries "")
  file(GLOB files LIST_DIRECTORIES false RELATIVE ${folder} ${folder}/*)
  foreach(name IN LISTS files)
    get_filename_component(ending ${name} LAST_EXT)
    string(SUBSTRING ${ending} 1 -1 ending)
    set(type ${types})
    list(FILTER type INCLUDE REGEX "^${ending}=")
    if(NOT type)
      message(FATAL_ERROR "${folder}/${name}: of what type is that?")
    endif()
    string(REGEX REPLACE "^[^=]*=" "" type ${type})
    string(REGEX REPLACE "^index.html$" "" path ${name})
    file(READ ${folder}/${name} bytes HEX)
    string(LENGTH "${bytes}" length)
    math(EXPR length "${length} / 2")
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
    # In pieces, so that no line is endless.
    string(REGEX REPLACE "(................................................................................)" "\\1\"\n    \"" bytes "${bytes}")
    string(APPEND entries "    PageFile{\"/${path}\", \"${type}; charset=utf-8\", {\"${bytes}\", ${length}}},\n")
  endforeach()
  string(APPEND text "\nstd::span<const PageFile> ${function}() {\n  static constexpr std::array kFiles{\n${entries}  };\n  return kFiles;\n}\n")
  set(text "${text}" PARENT_SCOPE)
endfunction()

embed(page_files ${SOURCE})
embed(setup_files ${SOURCE}/setup)
file(WRITE ${OUTPUT} "// Made of web/ by cmake/EmbedPage.cmake.\n#include \"gateway/page.hpp\"\n\n#include <array>\n\n\
namespace ferrule::gateway {\n${text}\n}  // namespace ferrule::gateway\n")
