/*
 * execute <environment> <stdin> <program>: becomes the program with exactly the environment that a file holds, entries
 * that end in NUL, whatever their bytes; and with its own stdin ("open") or none at all ("closed").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 4 << 20, FAILED = 99 };

int main(int argc, char **argv)
{
	char *bytes = malloc(MOST_BYTES), **environment;
	size_t length, count = 0;
	FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
	if (bytes == NULL || file == NULL)
		return FAILED;
	length = fread(bytes, 1, MOST_BYTES, file);
	fclose(file);
	environment = calloc(length + 1, sizeof *environment);
	if (environment == NULL)
		return FAILED;
	for (char *next = bytes; next < bytes + length; next += strlen(next) + 1)
		environment[count++] = next;
	if (strcmp(argv[2], "closed") == 0)
		close(STDIN_FILENO);
	execve(argv[3], argv + 3, environment);
	return FAILED;
}
