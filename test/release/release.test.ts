// A release as its users get it: the tarballs, what is in them, and that it runs on both architectures.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { thirdPartyNotices } from '../../scripts/notices.ts';
import { packageFolder } from '../../scripts/packages.ts';
import { add, addressesOf, addressOf, del, dualStack, held, network, silent } from '../integration/support/ipam.ts';
import { execute, sleep, start, tool } from '../integration/support/process.ts';
import { cniEnv, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { type Requirement, testWith } from '../support/requirements.ts';

const test = suite('release');

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const NEEDS: Requirement[] = ['crossCompiler', 'readelf'];
const ARCHITECTURES = ['x64', 'arm64'];
const nameOf = (arch: string) => `ecs-ipam-${version}-linux-${arch}`;

/** Makes a release in a new directory, under a umask of its own. */
async function release(umask: string): Promise<string> {
  const directory = temporaryDirectory();
  const script = `umask ${umask}; exec "$0" "$1/scripts/release.ts" "$2"`;
  const args = ['-c', script, join(root, 'node_modules/.bin/bun'), root, directory];
  const { status, stdout, stderr } = await execute({
    command: 'sh',
    args,
    env: { HOME: process.env.HOME },
    limitMs: 240_000,
  });
  assert.is(status, 0, stdout + stderr);
  return directory;
}

let whole: Promise<string> | undefined;
/** The release that most tests look at. */
const theRelease = () => {
  whole ??= release('022');
  return whole;
};

const folders = new Map<string, Promise<string>>();
/** The unpacked tarball of an architecture. */
function unpacked(arch: string): Promise<string> {
  const unpack = async () => {
    const directory = temporaryDirectory();
    await tool('tar', '-xzf', join(await theRelease(), `${nameOf(arch)}.tar.gz`), '-C', directory);
    return join(directory, nameOf(arch));
  };
  const folder = folders.get(arch) ?? unpack();
  folders.set(arch, folder);
  return folder;
}

testWith(test, NEEDS, 'two tarballs and their sums', async () => {
  const directory = await theRelease();
  const tarballs = ARCHITECTURES.map(arch => `${nameOf(arch)}.tar.gz`);
  assert.equal(readdirSync(directory).sort(), ['SHA256SUMS', ...tarballs].sort());
  await tool('sh', '-c', 'cd "$0" && sha256sum --check --strict SHA256SUMS', directory);
  for (const tarball of tarballs) {
    const sum = createHash('sha256')
      .update(readFileSync(join(directory, tarball)))
      .digest('hex');
    assert.match(readFileSync(join(directory, 'SHA256SUMS'), 'utf8'), `${sum}  ${tarball}\n`);
  }
});

for (const arch of ARCHITECTURES) {
  testWith(test, NEEDS, `${arch}: the tarball has all that a host needs, for everybody to read`, async () => {
    const folder = await unpacked(arch);
    const modes = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map(name => `${(statSync(join(folder, name)).mode & 0o7777).toString(8)} ${name}`);
    const documents = ['LICENSE', 'README.md', 'RELEASE', 'THIRD-PARTY-NOTICES'].map(name => `644 ${name}`);
    const units = ['ecs-ipam.service', 'ecs-ipam.socket'].map(name => `644 systemd/${name}`);
    const programs = ['755 ecs-ipam', '755 ecs-ipamd', '644 lmdb.node'];
    assert.equal(modes, [...documents, ...programs, '755 systemd', ...units]);
    const listing = await tool('tar', '-tvzf', join(await theRelease(), `${nameOf(arch)}.tar.gz`));
    for (const line of listing.trim().split('\n')) assert.match(line, / 0\/0 /);
  });

  testWith(test, NEEDS, `${arch}: needs the libraries that README.md and RELEASE name, and no newer ones`, async () => {
    const folder = await unpacked(arch);
    const newest = { GLIBC: '0', GLIBCXX: '0' };
    for (const name of ['ecs-ipamd', 'lmdb.node']) {
      // Not the table of versions that the release reads, but each symbol that is taken from a library.
      const symbols = await tool('readelf', '--dyn-syms', '--wide', join(folder, name));
      for (const [, kind, found = ''] of symbols.matchAll(/ UND \S+@(GLIBC|GLIBCXX)_([\d.]+)/g)) {
        const key = kind as keyof typeof newest;
        if (found.localeCompare(newest[key], 'en', { numeric: true }) > 0) newest[key] = found;
      }
    }
    const stated = /glibc ([\d.]+\d) or newer, libstdc\+\+ \(GLIBCXX_([\d.]+\d)\)/.exec(readme);
    assert.equal([newest.GLIBC, newest.GLIBCXX], stated?.slice(1));
    const text = readFileSync(join(folder, 'RELEASE'), 'utf8');
    assert.match(text, `ecs-ipam ${version} (`);
    assert.match(
      text,
      `linux-${arch}\nNeeds glibc ${newest.GLIBC}, libstdc++ with GLIBCXX_${newest.GLIBCXX}, libgcc_s`,
    );
  });

  testWith(test, NEEDS, `${arch}: the launcher is static, and all three are of this architecture`, async () => {
    const folder = await unpacked(arch);
    const machine = arch === 'x64' ? 'Advanced Micro Devices X86-64' : 'AArch64';
    for (const name of ['ecs-ipam', 'ecs-ipamd', 'lmdb.node']) {
      assert.match(await tool('readelf', '--file-header', '--wide', join(folder, name)), machine);
    }
    const headers = await tool('readelf', '--program-headers', '--dynamic', '--wide', join(folder, 'ecs-ipam'));
    assert.not.match(headers, /INTERP|NEEDED/);
  });
}

testWith(test, NEEDS, 'x64: installs from the unpacked tarball, and does one ADD', async () => {
  const folder = await unpacked('x64');
  const [cniDir, systemdDir] = [join(temporaryDirectory(), 'cni'), temporaryDirectory()];
  mkdirSync(cniDir);
  await tool(join(folder, 'ecs-ipamd'), 'install', '--cni-dir', cniDir, '--systemd-dir', systemdDir);
  const store = temporaryStore();
  const options = { command: join(cniDir, 'ecs-ipam') };
  const env = { IPAM_SOCKET: '/nonexistent' };
  assert.equal(addressesOf(await add({ store, conf: dualStack(), env, options })), ['10.0.0.2', '2001:db8::2']);
  assert.equal(JSON.parse(await tool(options.command, '--version')).version, version);
});

testWith(test, [...NEEDS, 'qemu'], 'arm64: runs, alone and as launcher and daemon', async () => {
  const folder = await unpacked('arm64');
  const emulated = (name: string, ...args: string[]) => ({
    command: 'qemu-aarch64',
    args: ['-L', '/usr/aarch64-linux-gnu', join(folder, name), ...args],
    limitMs: 60_000,
  });
  const alone = emulated('ecs-ipamd');
  const versions = await execute({ ...alone, env: cniEnv('VERSION', temporaryStore()) });
  assert.is(JSON.parse(versions.stdout).cniVersion, '1.1.0');
  const store = temporaryStore();
  assert.equal(addressesOf(await add({ store, conf: dualStack(), options: alone })), ['10.0.0.2', '2001:db8::2']);
  // The store is the same on either architecture.
  assert.equal(await held(store), ['10.0.0.2', '2001:db8::2']);

  const env = { IPAM_SOCKET: join(temporaryDirectory(), 'ecs-ipam.sock') };
  const daemon = start({ ...emulated('ecs-ipamd', 'serve'), env, limitMs: 120_000 });
  for (let waits = 0; !existsSync(env.IPAM_SOCKET); waits++) {
    assert.ok(waits < 400, 'the daemon does not listen');
    await sleep(100);
  }
  const options = emulated('ecs-ipam');
  const conf = network();
  assert.is(addressOf(await add({ store, conf, owner: 'c2', env, options })), '10.0.0.3');
  silent(await del({ store, conf, owner: 'c2', env, options }), 'DEL');
  daemon.child.kill('SIGTERM');
  const ended = await daemon.done;
  assert.equal([ended.status, await held(store)], [0, ['10.0.0.2', '2001:db8::2']], ended.stderr);
});

testWith(test, NEEDS, 'the same commit gives the same bytes', async () => {
  const sums = async (directory: string) => readFileSync(join(directory, 'SHA256SUMS'), 'utf8');
  assert.is(await sums(await release('077')), await sums(await theRelease()));
});

testWith(test, NEEDS, 'the licence of everything in it', async () => {
  for (const arch of ARCHITECTURES) {
    const notices = readFileSync(join(await unpacked(arch), 'THIRD-PARTY-NOTICES'), 'utf8');
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const [name, used] of Object.entries(dependencies)) assert.match(notices, `\n${name} ${used}\n`);
    assert.match(notices, `\nBun ${devDependencies.bun} `);
    for (const file of ['commander/LICENSE', 'lmdb/dependencies/lmdb/libraries/liblmdb/LICENSE', 'lmdb/LICENSE']) {
      assert.ok(notices.includes(readFileSync(join(root, 'node_modules', file), 'utf8').trim()), file);
    }
  }
});

test('a package in the executable that has no licence here stops the release', () => {
  assert.throws(
    () => thirdPartyNotices(root, ['commander', 'uvu']),
    /uvu: is in the executable, and .* no licence of it/,
  );
});

test('a fetched package that is not the one of package-lock.json stops the release', () => {
  const elsewhere = temporaryDirectory();
  const lock = { packages: { 'node_modules/thing': { version: '1.0.0', integrity: 'sha512-AAAA' } } };
  writeFileSync(join(elsewhere, 'package-lock.json'), JSON.stringify(lock));
  const folder = join(elsewhere, 'build/packages/thing-1.0.0');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'thing-1.0.0.tgz'), 'something else');
  assert.throws(() => packageFolder(elsewhere, 'thing'), /thing-1\.0\.0\.tgz: sha512-.*, and package-lock\.json has/);
  assert.throws(() => packageFolder(elsewhere, 'unknown'), 'unknown: package-lock.json does not know it');
});

test.run();
