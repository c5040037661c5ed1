# What proves the client: unit tests, the driver of the conformance suite, examples.

find_package(GTest REQUIRED)
find_path(NLOHMANN_JSON_DIR nlohmann/json.hpp REQUIRED)

function(longshore_program name)
  add_executable(${name} ${ARGN})
  target_compile_options(${name} PRIVATE ${WARNINGS})
  target_include_directories(${name} SYSTEM PRIVATE ${NLOHMANN_JSON_DIR})
  target_link_libraries(${name} PRIVATE longshore::client)
endfunction()

longshore_program(conformance-driver conformance/main.cc conformance/watches.cc
                  conformance/words.cc)

foreach(example submit_and_wait watch_all cancel_on_ctrl_c change_rate flatten_chain
                handle_conflict)
  longshore_program(${example} examples/${example}.cc)
endforeach()
# Users without exceptions can use it.
target_compile_options(submit_and_wait PRIVATE -fno-exceptions)

# The wrapper once more, with sanitizers: the unit tests are also the proof that a
# watch leaves nothing behind.
file(GLOB TESTS CONFIGURE_DEPENDS tests/*_test.cc)
add_executable(unit-tests ${TESTS} ${WRAPPER} $<TARGET_OBJECTS:longshore-contract>)
target_compile_options(unit-tests PRIVATE ${WARNINGS} -fsanitize=address,undefined
                                          -fno-sanitize-recover=all)
target_link_options(unit-tests PRIVATE -fsanitize=address,undefined)
target_compile_definitions(
  unit-tests
  PRIVATE LONGSHORE_VERSION="${PROJECT_VERSION}"
          LONGSHORE_UNITS_JSON="${PROJECT_SOURCE_DIR}/../../tests/vectors/units.json")
target_include_directories(unit-tests PRIVATE include src)
target_include_directories(unit-tests SYSTEM PRIVATE ${CONTRACT_DIR}
                                                     ${NLOHMANN_JSON_DIR})
target_link_libraries(unit-tests PRIVATE gRPC::grpc++ protobuf::libprotobuf
                                         Threads::Threads GTest::gtest_main)

enable_testing()
add_test(NAME unit-tests COMMAND unit-tests)
