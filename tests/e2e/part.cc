// A shared library that is not where a node's environment would find it.

int partOfTheProgram(int number) { return number + 1; }
