/* Says where the control socket lies, and whether a daemon listens there. */
#include "daemon/control.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

char *control_path(const char *data_dir)
{
	char *path = mem_printf("%s/control.sock", data_dir);
	int fd = -1;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		/* Through a descriptor, which the process keeps, the same name is short. */
		fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0) {
		free(path);
		path = mem_printf("/proc/self/fd/%d/control.sock", fd);
	}
	return path;
}

bool control_is_up(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up = false;

	if (fd >= 0 && strlen(path) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, strlen(path) + 1);
		up = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return up;
}
