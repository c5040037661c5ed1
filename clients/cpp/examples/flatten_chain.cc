// flatten_chain BASE TOP: pull TOP down to BASE, and print the chain that is left.

#include "pull.h"

int main(int argc, char** argv) {
  const std::string base = ArgumentOrDie(argc, argv, 1);
  const std::string top = ArgumentOrDie(argc, argv, 2);
  const auto client = OrDie(longshore::Client::Open());
  OrDie(OrDie(client.Pull(top, base)).Wait());

  longshore::v1::GetImageRequest request;
  *request.mutable_image() = longshore::ImageAt(top);
  const auto image = OrDie(client.GetImage(request));
  for (const auto& link : image.chain()) std::cout << link.uri() << std::endl;
}
