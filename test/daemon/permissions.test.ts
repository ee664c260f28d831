// The socket is for the daemon's own user alone.

import { chmodSync, cpSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, network, refused, silent, status } from '../integration/support/ipam.ts';
import { execute } from '../integration/support/process.ts';
import { EXECUTABLE, temporaryDirectory } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { PROGRAM, startDaemon, stopDaemon } from './support/daemon.ts';

const test = suite('permissions');
const NOBODY_ID = '65534';
const conf = network();

/** What runs a command as a user who owns nothing. */
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY_ID}`, `--regid=${NOBODY_ID}`, '--clear-groups'];

/** The program's files where every user can run them. */
function readableCopy(): string {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  for (const file of [EXECUTABLE, PROGRAM, join(dirname(PROGRAM), 'lmdb.node')]) {
    cpSync(file, join(directory, basename(file)));
  }
  return join(directory, basename(EXECUTABLE));
}

testWith(
  test,
  ['root', 'setpriv', 'perl'],
  'another user cannot connect, whoever may enter the directory',
  async () => {
    const parent = temporaryDirectory();
    chmodSync(parent, 0o755);
    const socket = join(parent, 'made', 'ecs-ipam.sock');
    const daemon = await startDaemon({ socket });
    const script = `use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
    print connect($s, pack_sockaddr_un($ARGV[0])) ? "connected" : $!`;
    const connect = async () => {
      const [command = '', ...args] = [...AS_NOBODY, 'perl', '-e', script, socket];
      return (await execute({ command, args })).stdout;
    };
    assert.is(await connect(), 'Permission denied', 'directory 0700');
    chmodSync(dirname(socket), 0o755);
    assert.is(await connect(), 'Permission denied', 'directory 0755: the socket has a mode of its own');
    chmodSync(socket, 0o666);
    assert.is(await connect(), 'connected', 'the check itself');
    await stopDaemon(daemon);
  },
);

testWith(test, ['root', 'setpriv'], "another user's launcher ends in JSON, and changes nothing", async () => {
  const parent = temporaryDirectory();
  chmodSync(parent, 0o755);
  const daemon = await startDaemon({ socket: join(parent, 'made', 'ecs-ipam.sock') });
  const store = join(temporaryDirectory(), 'store.mdb');
  assert.is(addressOf(await add({ store, conf, env: daemon.env })), '10.0.0.2');
  const [command = '', ...args] = [...AS_NOBODY, readableCopy()];
  const options = { command, args };
  const { msg } = refused(await add({ store, conf, env: daemon.env, owner: 'c2', options }), 5, 'ADD');
  assert.match(msg, store);
  refused(await status({ store, conf, env: daemon.env, options }), 50, 'STATUS');
  silent(await status({ store, conf, env: daemon.env }), "the owner's STATUS");
  assert.is(addressOf(await add({ store, conf, env: daemon.env, owner: 'c3' })), '10.0.0.3');
  await stopDaemon(daemon);
});

testWith(test, ['root', 'setpriv'], 'a user may have a daemon and a store of its own', async () => {
  const home = temporaryDirectory();
  chmodSync(home, 0o777);
  const launcher = readableCopy();
  const [command = '', ...args] = [...AS_NOBODY, launcher];
  const options = { command, args };
  const program = join(dirname(launcher), basename(PROGRAM));
  const daemon = await startDaemon({
    socket: join(home, 'run', 'ecs-ipam.sock'),
    command: [...AS_NOBODY, program, 'serve'],
  });
  const store = join(home, 'data', 'store.mdb');
  assert.is(addressOf(await add({ store, conf, env: daemon.env, options })), '10.0.0.2');
  await stopDaemon(daemon);
  assert.is(addressOf(await add({ store, conf, env: daemon.env, options, owner: 'c2' })), '10.0.0.3');
});

test.run();
