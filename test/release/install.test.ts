// `install` and `uninstall` on real directories.

import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, distinct, held, network, silent, status } from '../integration/support/ipam.ts';
import { execute, inParallel, start, tool } from '../integration/support/process.ts';
import { EXECUTABLE, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';

const test = suite('install');

const PROGRAMS = ['lmdb.node', 'ecs-ipamd', 'ecs-ipam'];
const UNITS = ['ecs-ipam.socket', 'ecs-ipam.service'];
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

/** A host's two directories, in which something else lies already. */
class Place {
  readonly cniDir = join(temporaryDirectory(), 'cni');
  readonly systemdDir = join(temporaryDirectory(), 'systemd');
  readonly bridge = join(this.cniDir, 'bridge');
  readonly plugin = join(this.cniDir, 'ecs-ipam');

  constructor() {
    for (const directory of [this.cniDir, this.systemdDir]) mkdirSync(directory);
    writeFileSync(this.bridge, 'another plugin');
  }

  run(command: 'install' | 'uninstall', ...more: string[]): Promise<Run> {
    const args = [command, '--cni-dir', this.cniDir, '--systemd-dir', this.systemdDir, ...more];
    return execute({ args, env: { IPAM_SOCKET: '/nonexistent' } });
  }

  /** Runs a command that has to succeed; gives what it says of each file, and what comes after. */
  async done(command: 'install' | 'uninstall', ...more: string[]): Promise<{ said: string[]; rest: string }> {
    const { status, stdout, stderr } = await this.run(command, ...more);
    assert.is(status, 0, stdout + stderr);
    const lines = stdout.trimEnd().split('\n');
    const said = lines.filter(line => line.startsWith('/')).map(line => line.replace(/^\/.*\//, ''));
    return { said, rest: lines.filter(line => !line.startsWith('/')).join('\n') };
  }

  /** Runs a command that has to fail and to change nothing; gives what it complains of. */
  async refused(command: 'install' | 'uninstall', ...more: string[]): Promise<string> {
    const before = this.files();
    const { status, stdout, stderr } = await this.run(command, ...more);
    assert.is(status, 1, stdout + stderr);
    assert.is(stdout, '');
    assert.equal(this.files(), before);
    return stderr;
  }

  /** Every name in both directories, with what tells one file from another. */
  files(): string[] {
    return [this.cniDir, this.systemdDir].flatMap(directory =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .sort()
        .map(name => `${name} ${lstatSync(join(directory, name)).ino}`),
    );
  }

  names(): string[] {
    return [...readdirSync(this.cniDir).sort(), ...readdirSync(this.systemdDir).sort()];
  }
}

test('puts everything in place; the launcher there does one ADD; once more changes nothing', async () => {
  const place = new Place();
  const dryRun = await place.done('install', '--dry-run');
  assert.equal(
    dryRun.said,
    [...PROGRAMS, ...UNITS].map(name => `${name}: would be installed`),
  );
  assert.equal(place.names(), ['bridge']);

  const { said, rest } = await place.done('install');
  assert.equal(
    said,
    [...PROGRAMS, ...UNITS].map(name => `${name}: installed`),
  );
  assert.is(rest, 'Next:\n  systemctl daemon-reload\n  systemctl enable --now ecs-ipam.socket');
  assert.equal(place.names(), ['bridge', ...PROGRAMS.toSorted(), ...UNITS.toSorted()]);
  assert.equal(
    PROGRAMS.map(name => modeOf(join(place.cniDir, name))),
    ['644', '755', '755'],
  );
  assert.equal(
    UNITS.map(name => modeOf(join(place.systemdDir, name))),
    ['644', '644'],
  );
  const unit = readFileSync(join(place.systemdDir, 'ecs-ipam.service'), 'utf8');
  assert.match(unit, `\nExecStart=${place.cniDir}/ecs-ipamd serve `);
  assert.not.match(unit, '/usr/libexec');

  const store = temporaryStore();
  const options = { command: place.plugin };
  const env = { IPAM_SOCKET: '/nonexistent' };
  assert.is(addressOf(await add({ store, conf: network(), env, options })), '10.0.0.2');
  assert.equal(await held(store), ['10.0.0.2']);

  const files = place.files();
  const again = await place.done('install');
  assert.equal(
    again.said,
    [...PROGRAMS, ...UNITS].map(name => `${name}: unchanged`),
  );
  assert.is(again.rest, '');
  assert.equal(place.files(), files);
});

test('the installed executable installs itself elsewhere; without systemd no unit', async () => {
  const place = new Place();
  await place.done('install', '--no-systemd');
  assert.equal(place.names(), ['bridge', ...PROGRAMS.toSorted()]);
  const further = join(temporaryDirectory(), 'a b');
  mkdirSync(further);
  await tool(join(place.cniDir, 'ecs-ipamd'), 'install', '--cni-dir', further, '--no-systemd');
  for (const name of PROGRAMS) {
    assert.ok(readFileSync(join(further, name)).equals(readFileSync(join(dirname(EXECUTABLE), name))), name);
  }
});

test('replaces what is running: a daemon goes on, and no call sees half a file', async () => {
  const place = new Place();
  await place.done('install');
  const socketPath = join(temporaryDirectory(), 'ecs-ipam.sock');
  const daemon = start({
    command: join(place.cniDir, 'ecs-ipamd'),
    args: ['serve'],
    env: { IPAM_SOCKET: socketPath },
    limitMs: 120_000,
  });
  const store = temporaryStore();
  let isInstalling = true;
  const storm = inParallel(['oneShot', 'daemon'], 2, async kind => {
    const addresses: string[] = [];
    while (isInstalling || addresses.length < 3) {
      const owner = `${kind}-${addresses.length}`;
      const env = { IPAM_SOCKET: kind === 'daemon' ? socketPath : '/nonexistent' };
      const run = await add({ store, conf: network(), owner, env, options: { command: place.plugin } });
      addresses.push(addressOf(run, owner));
    }
    return addresses;
  });
  for (let round = 0; round < 5; round++) {
    // Other modes make other files of them.
    for (const name of PROGRAMS) chmodSync(join(place.cniDir, name), 0o700);
    const { said, rest } = await place.done('install');
    assert.equal(
      said.slice(0, 3),
      PROGRAMS.map(name => `${name}: updated`),
    );
    assert.match(rest, 'systemctl try-restart ecs-ipam.service');
  }
  isInstalling = false;
  const addresses = (await storm).flat();
  distinct(addresses, 'addresses');
  assert.equal((await held(store)).sort(), addresses.sort());
  silent(await status({ store, conf: network(), env: { IPAM_SOCKET: socketPath } }), 'STATUS');
  daemon.child.kill('SIGTERM');
  assert.is((await daemon.done).status, 0);
  assert.equal(place.names(), ['bridge', ...PROGRAMS.toSorted(), ...UNITS.toSorted()]);
});

test('keeps a plugin that is not ours under a second name, once', async () => {
  const place = new Place();
  writeFileSync(place.plugin, 'the plugin of before', { mode: 0o711 });
  const inode = statSync(place.plugin).ino;
  const dryRun = await place.done('install', '--dry-run');
  assert.ok(dryRun.said.includes('ecs-ipam.previous: would keep what was there'), dryRun.said.join('\n'));
  const { said } = await place.done('install');
  assert.ok(said.includes('ecs-ipam.previous: keeps what was there'), said.join('\n'));
  const previous = `${place.plugin}.previous`;
  assert.equal([statSync(previous).ino, readFileSync(previous, 'utf8')], [inode, 'the plugin of before']);
  assert.equal(
    (await place.done('install')).said.filter(line => !line.endsWith('unchanged')),
    [],
  );

  // What had been in place is put back by somebody, and differs.
  writeFileSync(`${place.plugin}.new`, 'a later plugin');
  await tool('mv', `${place.plugin}.new`, place.plugin);
  assert.match(await place.refused('install'), /ecs-ipam\.previous, which is there already: move it away \(code 5\)/);
  const removed = await place.done('uninstall');
  assert.ok(removed.said.includes('ecs-ipam: left: it is not ours'), removed.said.join('\n'));
  assert.ok(removed.said.includes('ecs-ipam.previous: left: it was there before'), removed.said.join('\n'));
  assert.is(readFileSync(place.plugin, 'utf8'), 'a later plugin');
});

test('goes on where a killed install has stopped after the second name', async () => {
  const place = new Place();
  writeFileSync(place.plugin, 'the plugin of before');
  linkSync(place.plugin, `${place.plugin}.previous`);
  await place.done('install');
  assert.is(readFileSync(`${place.plugin}.previous`, 'utf8'), 'the plugin of before');
});

test('a link in the way is kept as a link, and what it leads to is not touched', async () => {
  const place = new Place();
  symlinkSync('bridge', place.plugin);
  await place.done('install');
  assert.is(readlinkSync(`${place.plugin}.previous`), 'bridge');
  assert.is(readFileSync(place.bridge, 'utf8'), 'another plugin');
  assert.ok(lstatSync(place.plugin).isFile());
});

test('a unit that is not ours is kept; one of ours is overwritten, drop-ins are not', async () => {
  const place = new Place();
  const [unit, dropIn] = [join(place.systemdDir, 'ecs-ipam.service'), join(place.systemdDir, 'ecs-ipam.service.d')];
  writeFileSync(unit, '[Service]\nExecStart=/opt/ours/daemon\n');
  mkdirSync(dropIn);
  writeFileSync(join(dropIn, 'override.conf'), '[Service]\nReadWritePaths=/srv/ipam\n');
  await place.done('install');
  assert.match(readFileSync(`${unit}.previous`, 'utf8'), '/opt/ours/daemon');
  writeFileSync(unit, `${readFileSync(unit, 'utf8')}# changed here\n`);
  assert.ok((await place.done('install')).said.includes('ecs-ipam.service: updated'));
  await place.done('uninstall');
  assert.match(readFileSync(join(dropIn, 'override.conf'), 'utf8'), '/srv/ipam');
});

test('what cannot be is named, and nothing is changed', async () => {
  const place = new Place();
  const missing = join(place.cniDir, 'missing');
  const last = (option: string, path: string) => place.refused('install', option, path);
  assert.match(await last('--cni-dir', missing), `--cni-dir ${missing}: is not there`);
  assert.match(await last('--systemd-dir', missing), /--systemd-dir .*: is not there; without systemd: --no-systemd/);
  assert.match(await last('--cni-dir', place.bridge), 'is not a directory');
  assert.match(await place.refused('uninstall', '--cni-dir', missing), 'is not there');
  const odd = join(place.cniDir, '50% off');
  mkdirSync(odd);
  assert.match(await last('--cni-dir', odd), 'a unit cannot name it');
  mkdirSync(place.plugin);
  assert.match(await place.refused('install'), `${place.plugin}: is there, and is not a file`);
  assert.match(await place.refused('uninstall'), `${place.plugin}: is there, and is not a file`);
});

/** Runs "$0" install on a CNI directory "$1" that another mount makes difficult, and then lists it. */
const onMount = async (mount: string) => {
  const { cniDir } = new Place();
  const script = `${mount} "$1" && "$0" install --cni-dir "$1" --no-systemd; echo "exit $?"; ls -A "$1"`;
  return execute({ command: 'unshare', args: ['-m', 'sh', '-c', script, EXECUTABLE, cniDir] });
};

testWith(test, ['root', 'unshare'], 'a read-only and a full file system are named, and nothing is left', async () => {
  const readOnly = await onMount('mount -t tmpfs -o ro none');
  assert.match(readOnly.stderr, /--cni-dir \/.*: EROFS/);
  assert.is(readOnly.stdout, 'exit 1\n');
  const full = await onMount('mount -t tmpfs -o size=8m none');
  assert.match(full.stderr, /\/ecs-ipamd: ENOSPC/);
  assert.is(full.stdout, 'exit 1\n');
});

test('uninstall removes exactly what install has put there, and leaves the store', async () => {
  const place = new Place();
  await place.done('install');
  const store = join(place.cniDir, 'store.mdb');
  addressOf(await add({ store, conf: network(), options: { command: place.plugin } }));

  const wants = join(place.systemdDir, 'sockets.target.wants');
  mkdirSync(wants);
  symlinkSync('../ecs-ipam.socket', join(wants, 'ecs-ipam.socket'));
  assert.match(await place.refused('uninstall'), 'first: systemctl disable --now ecs-ipam.socket');
  await tool('rm', '-r', wants);

  const files = place.files();
  const all = [...PROGRAMS, ...UNITS].toReversed();
  assert.equal(
    (await place.done('uninstall', '--dry-run')).said,
    all.map(name => `${name}: would be removed`),
  );
  assert.equal(place.files(), files);
  const { said, rest } = await place.done('uninstall');
  assert.equal(
    said,
    all.map(name => `${name}: removed`),
  );
  assert.match(rest, /^Stores are left: .*\nNext:\n {2}systemctl daemon-reload$/);
  assert.equal(place.names(), ['bridge', 'store.mdb', 'store.mdb-lock', 'store.mdb.flock']);
  assert.equal(await held(store), ['10.0.0.2']);
  assert.equal(
    (await place.done('uninstall')).said,
    all.map(name => `${name}: not there`),
  );
  assert.not.ok(existsSync(place.plugin));
});

test('the npm package on Node.js has nothing to install', async () => {
  const place = new Place();
  const node = join(dirname(EXECUTABLE), 'node.js');
  const args = [node, 'install', '--cni-dir', place.cniDir, '--no-systemd'];
  const { status, stderr } = await execute({ command: process.execPath, args });
  assert.is(status, 1);
  assert.match(stderr, `what is installed lies beside ${process.execPath}`);
});

test.run();
