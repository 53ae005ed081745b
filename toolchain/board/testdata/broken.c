/* A program that passes every check before it is started as the service, and then fails: what a roll-back is for. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "version") == 0) {
		puts("maixstream broken (000000000000)");
		return 0;
	}
	fputs("broken: sensor does not answer\n", stderr);
	return 1;
}
