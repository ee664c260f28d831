// A clock of the host that can be set: the real executable runs on it. A library is loaded before libc that answers for
// the time of day with the milliseconds in a file; what measures durations (CLOCK_MONOTONIC) goes on as ever.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../../support/compile.ts';
import { type Env, temporaryDirectory } from '../../support/plugin.ts';

const SOURCE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
	char text[32] = {0};
	int fd = open(getenv("ECS_IPAM_TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
		abort();
	close(fd);
	return atoll(text);
}

int clock_gettime(clockid_t id, struct timespec *time)
{
	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, time);
	long long ms = now_ms();
	time->tv_sec = ms / 1000;
	time->tv_nsec = ms % 1000 * 1000000;
	return 0;
}

int gettimeofday(struct timeval *time, void *zone)
{
	long long ms = now_ms();
	(void)zone;
	time->tv_sec = ms / 1000;
	time->tv_usec = ms % 1000 * 1000;
	return 0;
}
`;

export interface HostClock {
  /** Environment of who runs on it. */
  env: Env;
  /** Sets the time of day, where it stays. */
  set(time: string): void;
}

export function hostClock(): HostClock {
  const directory = temporaryDirectory();
  const source = join(directory, 'clock.c');
  const file = join(directory, 'time');
  writeFileSync(source, SOURCE);
  const library = compile(source, 'clock.so', '-shared', '-fPIC', '-O1');
  return {
    env: { LD_PRELOAD: library, ECS_IPAM_TEST_CLOCK: file },
    set(time) {
      // At once: who asks meanwhile is told the one or the other.
      writeFileSync(`${file}.new`, String(Date.parse(time)));
      renameSync(`${file}.new`, file);
    },
  };
}
