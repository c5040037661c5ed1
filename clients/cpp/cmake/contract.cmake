# Generates the contract: CONTRACT_DIR holds the headers, longshore-contract the code.

set(PROTO_DIR ${CMAKE_CURRENT_SOURCE_DIR}/../../proto)
set(RPC_DIR ${CMAKE_CURRENT_SOURCE_DIR}/../../third_party)
set(CONTRACT_DIR ${CMAKE_CURRENT_BINARY_DIR}/contract)
file(MAKE_DIRECTORY ${CONTRACT_DIR})

file(
  GLOB PROTOS
  CONFIGURE_DEPENDS
  ${PROTO_DIR}/longshore/v1/*.proto ${RPC_DIR}/google/rpc/*.proto)

set(CONTRACT_SOURCES "")
set(CONTRACT_HEADERS "")
foreach(proto IN LISTS PROTOS)
  string(REGEX REPLACE "^.*/((longshore|google)/.*)\\.proto$" "\\1" stem ${proto})
  set(outputs ${CONTRACT_DIR}/${stem}.pb.cc ${CONTRACT_DIR}/${stem}.pb.h)
  set(plugin "")
  if(stem MATCHES "_service$")
    list(APPEND outputs ${CONTRACT_DIR}/${stem}.grpc.pb.cc
         ${CONTRACT_DIR}/${stem}.grpc.pb.h)
    set(plugin --grpc_out=${CONTRACT_DIR}
               --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
  endif()
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND protobuf::protoc -I${PROTO_DIR} -I${RPC_DIR} --cpp_out=${CONTRACT_DIR}
            ${plugin} ${proto}
    DEPENDS ${PROTOS}
    COMMENT "Generate ${stem}"
    VERBATIM)
  list(APPEND CONTRACT_SOURCES ${outputs})
endforeach()
set(CONTRACT_HEADERS ${CONTRACT_SOURCES})
list(FILTER CONTRACT_HEADERS INCLUDE REGEX "\\.h$")

# -O1: what is generated is dull and long, and -O2 takes twice the time.
add_library(longshore-contract OBJECT ${CONTRACT_SOURCES})
target_compile_options(longshore-contract PRIVATE -O1 -g0)
target_include_directories(longshore-contract SYSTEM PUBLIC ${CONTRACT_DIR})
target_link_libraries(longshore-contract PUBLIC gRPC::grpc++ protobuf::libprotobuf)
target_precompile_headers(longshore-contract PRIVATE <grpcpp/grpcpp.h>
                          <google/protobuf/generated_message_reflection.h>
                          <google/protobuf/map_field_inl.h>
                          <google/protobuf/reflection_ops.h>
                          <google/protobuf/wire_format.h>)
