/* Stands in for MaixCAM's launcher on the virtual board: it runs until terminated. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
