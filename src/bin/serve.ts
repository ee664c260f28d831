// `ecs-ipamd serve`: the daemon under systemd or by hand. Wiring only.

import type { Env } from '../cni/environment.ts';
import type { MakeSocketServer } from '../daemon/connection.ts';
import { Daemon, type DaemonOptions } from '../daemon/server.ts';
import type { FileLocks } from '../store/flock.ts';
import { say } from './stdio.ts';

const DEFAULT_SOCKET_PATH = '/run/ecs-ipam/ecs-ipam.sock';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const LISTEN_FDS_START = 3;

/** Serves until SIGTERM, SIGINT or, if systemd has the socket, an idle time. */
export async function serve(
  env: Env,
  idleMs: number | undefined,
  locks: FileLocks,
  sockets: MakeSocketServer,
  services: DaemonOptions['services'],
  notify: (socketPath: string, message: string) => void,
): Promise<void> {
  const isActivated = env.LISTEN_PID === String(process.pid) && Number(env.LISTEN_FDS) > 0;
  const notifySystemd = (message: string) => {
    if (env.NOTIFY_SOCKET) notify(env.NOTIFY_SOCKET, message);
  };
  const daemon = new Daemon({
    place: isActivated ? { fd: LISTEN_FDS_START } : { path: env.IPAM_SOCKET || DEFAULT_SOCKET_PATH },
    idleMs: isActivated ? idleMs : undefined,
    locks,
    sockets,
    services,
    say: message => void say(`ecs-ipamd: ${message}\n`),
    onStopping: () => notifySystemd('STOPPING=1'),
  });
  const stop = () => daemon.stop();
  process.on('SIGTERM', stop).on('SIGINT', stop);
  await daemon.start();
  notifySystemd('READY=1');
  const isWatched = (env.WATCHDOG_PID || String(process.pid)) === String(process.pid);
  const watchdogMs = isWatched ? Number(env.WATCHDOG_USEC ?? 0) / 1000 : 0;
  const watchdog = watchdogMs > 0 ? setInterval(() => notifySystemd('WATCHDOG=1'), watchdogMs / 2) : undefined;
  await daemon.stopped;
  clearInterval(watchdog);
}
