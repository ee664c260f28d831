/*
 * ecs-ipam, as a container runtime executes it: passes environment and stdin to the daemon and prints the answer. Where
 * no daemon listens, the full executable (ecs-ipamd) does the work as its child. It knows nothing of addresses.
 *
 * The frames are those of src/daemon/frame.ts; the caller confirms an answer by one byte once it has printed it.
 *
 * Once a byte of the request has been sent there is no way back to the child: the daemon may have committed. A lost
 * answer is CNI error 11 (try again later).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/ecs-ipam/ecs-ipam.sock"
#define DEFAULT_STORE "/data/ecs-ipam.mdb"
#define LIBEXEC_PROGRAM "/usr/libexec/ecs-ipam/ecs-ipamd"
#define PROGRAM "ecs-ipamd"
#define CNI_VERSION "1.1.0"

enum { CODE_IO = 5, CODE_TRY_AGAIN = 11, CODE_DAMAGED_STORE = 105 };
enum { HEAD_BYTES = 8, NUMBER_BYTES = 4, MOST_REQUEST_BYTES = 4 << 20, MOST_ANSWER_BYTES = 64 << 20 };
enum { DEFAULT_LIMIT_MS = 5000, ANSWER_GRACE_MS = 2000, LOCK_PAUSE_MS = 4, INTERRUPT_PAUSE_MS = 20, MOST_STATUS = 255 };

extern char **environ;

struct buffer {
	char *bytes;
	size_t length, capacity;
};

/* Time */

static long long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds of a Go duration ("5s", "1m30.5s"), or the fallback where the text is none: the program says so. */
static long long duration_ms(const char *text, long long fallback)
{
	static const struct { const char *name; double ms; } units[] = {
		{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3},
		{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6},
	};
	double sum = 0;
	if (text == NULL || *text == '\0')
		return fallback;
	if (*text == '+')
		text++;
	if (strcmp(text, "0") == 0)
		return 0;
	while (*text != '\0') {
		char *end;
		size_t unit, count = sizeof units / sizeof *units;
		double number;
		if ((*text < '0' || *text > '9') && *text != '.')
			return fallback;
		number = strtod(text, &end);
		for (unit = 0; unit < count; unit++)
			if (strncmp(end, units[unit].name, strlen(units[unit].name)) == 0)
				break;
		if (unit == count)
			return fallback;
		sum += number * units[unit].ms;
		text = end + strlen(units[unit].name);
	}
	return sum > 1e12 ? (long long)1e12 : (long long)sum;
}

/* Errors */

/* Writes everything, however slowly it is read. False if it cannot be written. */
static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);
		if (written >= 0) {
			bytes += written;
			length -= (size_t)written;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};
			if (poll(&ready, 1, -1) < 0 && errno != EINTR)
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Bytes of the character that begins here; 0 if it is not UTF-8. */
static size_t character_bytes(const unsigned char *at)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = *at < 0x80 ? 1 : *at >> 5 == 0x6 ? 2 : *at >> 4 == 0xe ? 3 : *at >> 3 == 0x1e ? 4 : 0;
	unsigned code = *at & (0x7fu >> length);
	if (length < 2)
		return length;
	for (size_t i = 1; i < length; i++) {
		if (at[i] >> 6 != 0x2) /* the end of the text too */
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

/* Ends with a CNI error object on stdout. What of the message is not UTF-8 is shown as the program shows it: U+FFFD. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(int code, const char *format, ...)
{
	char message[PATH_MAX + 512], json[sizeof message * 6 + 128];
	size_t length;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	length = (size_t)snprintf(json, sizeof json, "{\"cniVersion\":\"" CNI_VERSION "\",\"code\":%d,\"msg\":\"", code);
	for (const unsigned char *next = (unsigned char *)message; *next != '\0';) {
		size_t bytes = character_bytes(next);
		if (*next == '"' || *next == '\\' || *next < 0x20 || *next == 0x7f || bytes == 0)
			length += (size_t)sprintf(json + length, "\\u%04x", bytes == 0 ? 0xfffd : *next);
		else
			length = (size_t)((char *)mempcpy(json + length, next, bytes) - json);
		next += bytes == 0 ? 1 : bytes;
	}
	length += (size_t)sprintf(json + length, "\"}\n");
	if (!write_all(STDOUT_FILENO, json, length))
		_exit(2);
	exit(1);
}

/* Surroundings */

/*
 * What the caller may have left to us that would get in the way. A closed standard descriptor would become one of our
 * own: what is opened in its place refuses as it would. With SIGCHLD ignored nobody learns how a child ended.
 */
static void tidy_surroundings(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY}; /* stdin cannot be read, stdout not be written */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
			fail(CODE_IO, "/dev/null: %s", strerror(errno));
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like others */
}

/* Buffers */

static void append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (buffer->capacity - buffer->length < length) {
		size_t capacity = (buffer->length + length) * 2 + 4096;
		char *grown = realloc(buffer->bytes, capacity);
		if (grown == NULL)
			fail(CODE_IO, "out of memory: %zu bytes", capacity);
		buffer->bytes = grown;
		buffer->capacity = capacity;
	}
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

static void put_number(char *at, size_t number)
{
	for (int i = 0; i < NUMBER_BYTES; i++)
		at[i] = (char)(number >> (8 * (NUMBER_BYTES - 1 - i)));
}

static void append_number(struct buffer *buffer, size_t number)
{
	char bytes[NUMBER_BYTES];
	put_number(bytes, number);
	append(buffer, bytes, sizeof bytes);
}

static size_t get_number(const char *at)
{
	size_t number = 0;
	for (int i = 0; i < NUMBER_BYTES; i++)
		number = number << 8 | (unsigned char)at[i];
	return number;
}

static void read_stdin(struct buffer *into)
{
	char chunk[65536];
	for (;;) {
		ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
		if (got == 0)
			return;
		if (got > 0) {
			append(into, chunk, (size_t)got);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
			if (poll(&ready, 1, -1) < 0 && errno != EINTR)
				fail(CODE_IO, "network configuration: stdin cannot be read: %s", strerror(errno));
		} else if (errno != EINTR) {
			fail(CODE_IO, "network configuration: stdin cannot be read: %s", strerror(errno));
		}
		if (into->length > MOST_REQUEST_BYTES)
			fail(CODE_IO, "network configuration: longer than %d bytes", MOST_REQUEST_BYTES);
	}
}

/* Environment */

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What the program and the daemon read: that much of the environment is part of a call. */
static bool is_of_call(const char *variable)
{
	return starts_with(variable, "CNI_") || starts_with(variable, "IPAM_") || starts_with(variable, "ECS_CNI_");
}

/* Whether one of those before it has its name. */
static bool is_repeated(char **variable)
{
	size_t length = (size_t)(strchr(*variable, '=') + 1 - *variable);
	for (char **earlier = environ; earlier < variable; earlier++)
		if (strncmp(*earlier, *variable, length) == 0)
			return true;
	return false;
}

/*
 * What would make the program's runtime do something else than the program; entries that are no variables, which no
 * request can hold; and of a variable that comes twice the second, as some would read the one and some the other.
 */
static bool is_in_the_way(char **variable)
{
	const char *equals = strchr(*variable, '=');
	if (equals == NULL || equals == *variable)
		return true;
	return starts_with(*variable, "BUN_") || starts_with(*variable, "NODE_OPTIONS=") ||
	       (is_of_call(*variable) && is_repeated(variable));
}

static void clean_environment(void)
{
	char **kept = environ;
	for (char **next = environ; *next != NULL; next++)
		if (!is_in_the_way(next))
			*kept++ = *next;
	*kept = NULL;
}

static const char *value_of(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value == NULL || *value == '\0' ? fallback : value;
}

static void set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		fail(CODE_IO, "out of memory for %s", name);
}

/* A relative path means the caller's directory, wherever the work is done. False if nobody can tell that directory. */
static bool make_absolute(const char *name)
{
	char directory[PATH_MAX];
	const char *path = value_of(name, NULL);
	char *joined;
	if (path == NULL || *path == '/')
		return true;
	if (getcwd(directory, sizeof directory) == NULL)
		return false;
	if (asprintf(&joined, "%s/%s", directory, path) < 0)
		fail(CODE_IO, "out of memory for %s", name);
	set_variable(name, joined);
	free(joined);
	return true;
}

/* The program, beside this file or where packages put it. */
static const char *program_path(void)
{
	static char path[PATH_MAX + sizeof PROGRAM];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	if (length > 0) {
		char *slash;
		path[length] = '\0';
		slash = strrchr(path, '/');
		if (slash != NULL) {
			memcpy(slash + 1, PROGRAM, sizeof PROGRAM);
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return LIBEXEC_PROGRAM;
}

/* The daemon */

/* A connected socket, or -1 if nobody listens. A daemon that stands still is waited for like an answer. */
static int connect_daemon(const char *path, long long wait_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	int fd;
	if (strlen(path) >= sizeof address.sun_path)
		fail(CODE_IO, "IPAM_SOCKET %.200s: longer than %zu bytes", path, sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* connect waits where too many wait already */
	while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			fail(CODE_TRY_AGAIN, "daemon %s: has taken no call for %lld ms", path, wait_ms);
		close(fd);
		return -1;
	}
	return fd;
}

static void make_request(struct buffer *request, const struct buffer *input)
{
	size_t count = 0;
	append(request, "ecsq\0\0\0\0\0\0\0\0", HEAD_BYTES + NUMBER_BYTES);
	for (char **next = environ; *next != NULL; next++) {
		if (!is_of_call(*next))
			continue;
		append_number(request, strlen(*next));
		append(request, *next, strlen(*next));
		count++;
	}
	if (input->length > 0)
		append(request, input->bytes, input->length);
	if (request->length - HEAD_BYTES > MOST_REQUEST_BYTES)
		fail(CODE_IO, "network configuration and environment: longer than %d bytes", MOST_REQUEST_BYTES);
	put_number(request->bytes + 4, request->length - HEAD_BYTES);
	put_number(request->bytes + HEAD_BYTES, count);
}

__attribute__((noreturn)) static void lose_answer(const char *why)
{
	fail(CODE_TRY_AGAIN, "daemon: the answer was lost, and the request may have been carried out: %s", why);
}

/* Waits until the socket is ready for `events`, at most until the deadline. */
static void await_socket(int fd, short events, long long deadline_ms)
{
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = events};
		long long left_ms = deadline_ms - now_ms();
		int got = left_ms <= 0 ? 0 : poll(&ready, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
		if (got > 0)
			return;
		if (got == 0)
			lose_answer("the time limit has passed");
		if (errno != EINTR)
			lose_answer(strerror(errno));
	}
}

/* False if not a single byte could be sent. */
static bool send_request(int fd, const struct buffer *request, long long deadline_ms)
{
	size_t sent = 0;
	while (sent < request->length) {
		ssize_t got = send(fd, request->bytes + sent, request->length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (got > 0)
			sent += (size_t)got;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			await_socket(fd, POLLOUT, deadline_ms);
		else if (errno != EINTR && sent == 0)
			return false;
		else if (errno != EINTR)
			lose_answer(strerror(errno));
	}
	return true;
}

/* Reads the answer, prints it, confirms it, and ends with its exit status. */
__attribute__((noreturn)) static void take_answer(int fd, long long deadline_ms)
{
	struct buffer answer = {0};
	size_t wanted = HEAD_BYTES, status, out_length;
	const char *out;
	while (answer.length < wanted) {
		char chunk[65536];
		size_t left = wanted - answer.length;
		ssize_t got;
		await_socket(fd, POLLIN, deadline_ms);
		got = recv(fd, chunk, left < sizeof chunk ? left : sizeof chunk, MSG_DONTWAIT);
		if (got == 0)
			lose_answer("the daemon has closed the connection");
		if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			lose_answer(strerror(errno));
		if (got > 0)
			append(&answer, chunk, (size_t)got);
		if (answer.length == HEAD_BYTES && wanted == HEAD_BYTES) {
			wanted += get_number(answer.bytes + 4);
			if (memcmp(answer.bytes, "ecsa", 4) != 0 || wanted > MOST_ANSWER_BYTES)
				lose_answer("it is not an answer");
		}
	}
	if (answer.length < HEAD_BYTES + 2 * NUMBER_BYTES)
		lose_answer("it is too short");
	status = get_number(answer.bytes + HEAD_BYTES);
	out_length = get_number(answer.bytes + HEAD_BYTES + NUMBER_BYTES);
	out = answer.bytes + HEAD_BYTES + 2 * NUMBER_BYTES;
	if (out_length > answer.length - HEAD_BYTES - 2 * NUMBER_BYTES || status > MOST_STATUS)
		lose_answer("its parts do not fit");
	/* stderr is for people: nothing depends on it. */
	(void)write_all(STDERR_FILENO, out + out_length, answer.length - HEAD_BYTES - 2 * NUMBER_BYTES - out_length);
	if (!write_all(STDOUT_FILENO, out, out_length)) {
		dprintf(STDERR_FILENO, "ecs-ipam: the result cannot be written: %s\n", strerror(errno));
		exit(1); /* not confirmed: the daemon takes it back */
	}
	(void)send(fd, "", 1, MSG_NOSIGNAL);
	exit((int)status);
}

/* The child */

static void do_nothing(int signal)
{
	(void)signal;
}

/* Interrupts what blocks once the time is over, again and again: the first signal may come just before it blocks. */
static void interrupt_after(long long ms)
{
	struct itimerval timer = {.it_interval.tv_usec = INTERRUPT_PAUSE_MS * 1000};
	struct sigaction action = {.sa_handler = do_nothing}; /* without SA_RESTART */
	sigset_t alarm_only;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	sigaction(SIGALRM, &action, NULL);
	timer.it_value.tv_sec = ms / 1000;
	timer.it_value.tv_usec = ms % 1000 * 1000 + 1; /* zero would be never */
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupt_no_more(void)
{
	static const struct itimerval never;
	setitimer(ITIMER_REAL, &never, NULL);
}

/*
 * Waits until nobody who came earlier is asking for the lock: launchers ask one at a time, in the order in which they
 * came, and share the chances at it with daemons. Where the file system knows no such locks, all ask at once.
 */
static void await_turn(int fd, long long deadline_ms)
{
	struct flock turn = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	while (fcntl(fd, F_SETLKW, &turn) != 0 && errno == EINTR && now_ms() < deadline_ms)
		;
}

static void end_turn(int fd)
{
	struct flock turn = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	(void)fcntl(fd, F_SETLK, &turn);
}

/*
 * The store's lock, so that of many callers only one child at a time needs its memory: it inherits the lock. Where there
 * is no lock file yet, the child finds out by itself. At the time limit it is told not to wait any longer.
 */
static void take_store_lock(long long limit_ms)
{
	char *path, number[16];
	long long deadline_ms = now_ms() + limit_ms;
	int fd;
	if (asprintf(&path, "%s.flock", value_of("IPAM_DB_PATH", DEFAULT_STORE)) < 0)
		fail(CODE_IO, "out of memory");
	fd = open(path, O_RDWR);
	free(path);
	if (fd < 0)
		return;
	interrupt_after(limit_ms);
	await_turn(fd, deadline_ms);
	interrupt_no_more();
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
		if (now_ms() >= deadline_ms) {
			close(fd);
			set_variable("ECS_IPAM_WAITED", "1");
			return;
		}
		nanosleep(&pause, NULL);
	}
	end_turn(fd);
	snprintf(number, sizeof number, "%d", fd);
	set_variable("ECS_IPAM_LOCK_FD", number);
}

/* Puts input that was read back where the child reads it. */
static void restore_stdin(const struct buffer *input)
{
	int fd = memfd_create("stdin", 0);
	if (fd < 0 || !write_all(fd, input->bytes, input->length) || lseek(fd, 0, SEEK_SET) != 0 ||
	    dup2(fd, STDIN_FILENO) < 0)
		fail(CODE_IO, "network configuration: cannot be passed on: %s", strerror(errno));
	close(fd);
}

__attribute__((noreturn)) static void execute(char **arguments)
{
	const char *program = program_path();
	arguments[0] = (char *)program;
	execv(program, arguments);
	fail(CODE_IO, "%s: cannot be executed: %s", program, strerror(errno));
}

/* Runs the program as a child and ends as it does; a signal that ends it becomes a CNI error. */
__attribute__((noreturn)) static void run_child(char **arguments)
{
	int state;
	pid_t child, self = getpid();
	child = fork();
	if (child < 0)
		fail(CODE_IO, "cannot start a process: %s", strerror(errno));
	if (child == 0) {
		/* Whoever kills the launcher means the call: nobody would learn what the child does after that. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self)
			_exit(1);
		if (chdir("/") != 0)
			fail(CODE_IO, "/: %s", strerror(errno));
		execute(arguments);
	}
	while (waitpid(child, &state, 0) < 0)
		if (errno != EINTR)
			fail(CODE_IO, "cannot wait for the child: %s", strerror(errno));
	if (WIFEXITED(state))
		exit(WEXITSTATUS(state));
	fail(CODE_DAMAGED_STORE, "store %s: the program ended by signal %d (%s) while it used the store: it may be damaged",
	     value_of("IPAM_DB_PATH", DEFAULT_STORE), WTERMSIG(state), strsignal(WTERMSIG(state)));
}

int main(int argc, char **argv)
{
	struct buffer input = {0}, request = {0};
	const char *command;
	bool is_version; /* waits for neither stdin nor store */
	long long limit_ms, deadline_ms;
	int fd;
	tidy_surroundings();
	clean_environment();
	command = value_of("CNI_COMMAND", "");
	is_version = strcmp(command, "VERSION") == 0;
	unsetenv("ECS_IPAM_LOCK_FD");
	unsetenv("ECS_IPAM_WAITED");
	if (argc > 1 || *command == '\0')
		execute(argv);
	if (!make_absolute("IPAM_DB_PATH"))
		fail(CODE_IO, "IPAM_DB_PATH %s: is relative, and the current directory is unknown: %s",
		     getenv("IPAM_DB_PATH"), strerror(errno));
	if (!make_absolute("ECS_CNI_LOG_FILE"))
		unsetenv("ECS_CNI_LOG_FILE");
	limit_ms = duration_ms(getenv("IPAM_DB_CONNECTION_TIMEOUT"), DEFAULT_LIMIT_MS);
	/* All of it comes first: a caller that is slow with it keeps neither the store's lock nor a place at the daemon. */
	if (!is_version)
		read_stdin(&input);
	deadline_ms = now_ms() + limit_ms + ANSWER_GRACE_MS;
	fd = connect_daemon(value_of("IPAM_SOCKET", DEFAULT_SOCKET), limit_ms + ANSWER_GRACE_MS);
	if (fd >= 0) {
		make_request(&request, &input);
		if (send_request(fd, &request, deadline_ms))
			take_answer(fd, deadline_ms);
		close(fd);
	}
	if (!is_version) {
		restore_stdin(&input);
		take_store_lock(limit_ms);
	}
	run_child(argv);
}
