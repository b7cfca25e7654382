#include "compiler/driver/commands.h"

int main(int argc, char** argv) { return netc::run_command_line(argc, argv); }
