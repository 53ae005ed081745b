/* Stands in for MaixCAM's launcher on the virtual board: it runs until it is told to stop. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
