#include <longshore/client.h>
#include <longshore/units.h>

#include <iostream>

int main() { std::cout << longshore::Version() << std::endl; }
