// strace shows what one ADD does: its data is durable before it answers, and it opens nothing that others can write.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cniEnv, EXECUTABLE, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { add, addressesOf, dualStack, network, resultOf } from './support/ipam.ts';
import { type SystemCall, type Traced, trace } from './support/strace.ts';

const test = suite('system calls of one ADD');

const WRITES = /^(write|writev|pwrite64|pwritev2?|sendto|sendmsg|sendmmsg)$/;
const succeeded = ({ result }: SystemCall) => !result.startsWith('-1');

/** Fails unless pages, then a flush, then the meta page were written before the result was. */
function durableBeforeAnswer(traced: Traced, store: string): void {
  resultOf(traced, 'ADD under strace');
  const calls = traced.calls.filter(succeeded);
  const synchronous = new Map<number, boolean>();
  let lastPage: SystemCall | undefined;
  let flush: SystemCall | undefined;
  let meta: SystemCall | undefined;
  let answer: SystemCall | undefined;
  for (const call of calls) {
    if (/^open(at2?)?$/.test(call.name) && call.strings.includes(store)) {
      synchronous.set(Number.parseInt(call.result, 10), /O_D?SYNC/.test(call.args));
    }
    if (WRITES.test(call.name) && call.file !== store && call.strings.some(text => text.includes('ips'))) {
      answer ??= call;
    }
    if (call.file !== store) continue;
    if (/^f(data)?sync$/.test(call.name)) flush = call;
    if (WRITES.test(call.name)) {
      if (synchronous.get(call.fd ?? -1)) meta = call;
      else lastPage = call;
    }
  }
  const ofStore = calls.filter(({ file, strings }) => file === store || strings.includes(store));
  const seen = [...ofStore, ...(answer === undefined ? [] : [answer])]
    .map(({ name, args, result, began, ended }) => `${began}-${ended} ${name}(${args.slice(0, 120)}) = ${result}`)
    .join('\n');
  assert.ok(answer, `no write of the result:\n${traced.text.slice(-3000)}`);
  assert.ok(lastPage ?? meta, `nothing was written to the store:\n${seen}`);
  if (lastPage !== undefined) {
    assert.ok(flush && flush.began > lastPage.ended, `no fdatasync after the last page written:\n${seen}`);
  }
  assert.ok(meta ?? flush, `neither a flush nor a synchronous write:\n${seen}`);
  for (const call of [lastPage, flush, meta]) {
    assert.ok(call === undefined || call.ended < answer.began, `the answer came before the data was durable:\n${seen}`);
  }
  if (meta !== undefined && flush !== undefined && lastPage !== undefined) {
    assert.ok(meta.began > lastPage.ended, `meta page before its data pages:\n${seen}`);
  }
}

testWith(test, ['strace'], 'first ADD: durable before the answer, the directory entry too', async () => {
  const store = temporaryStore();
  const traced = await trace({ env: cniEnv('ADD', store), stdin: dualStack(), what: '%file,%desc' });
  durableBeforeAnswer(traced, store);
  const directory = traced.calls.find(({ name, file }) => /^f(data)?sync$/.test(name) && file === dirname(store));
  const answer = traced.calls.find(
    ({ name, strings }) => WRITES.test(name) && strings.some(text => text.includes('ips')),
  );
  assert.ok(
    directory && answer && directory.ended < answer.began,
    `${dirname(store)}: no fsync of the new store's directory before the answer`,
  );
});

testWith(test, ['strace'], 'later ADD: durable before the answer', async () => {
  const store = temporaryStore();
  resultOf(await add({ store, conf: dualStack(), owner: 'first' }));
  const traced = await trace({ env: cniEnv('ADD', store), stdin: dualStack(), what: '%file,%desc' });
  durableBeforeAnswer(traced, store);
});

testWith(test, ['strace'], 'DEL: durable before it ends', async () => {
  const store = temporaryStore();
  resultOf(await add({ store, conf: dualStack() }));
  const { calls, status, text } = await trace({ env: cniEnv('DEL', store), stdin: dualStack(), what: '%file,%desc' });
  assert.is(status, 0, text.slice(-2000));
  const ofStore = calls.filter(
    ({ file, name }) => file === store && (WRITES.test(name) || /^f(data)?sync$/.test(name)),
  );
  const sync = ofStore.findIndex(({ name }) => /sync$/.test(name));
  const pages = ofStore.findIndex(({ name }) => WRITES.test(name));
  assert.ok(pages >= 0 && sync > pages, `writes, then a flush, expected: ${ofStore.map(({ name }) => name)}`);
});

/** A directory full of what runtimes like to read, each with an effect that shows. */
function trapDirectory(root: string): string {
  const cwd = join(root, 'cwd');
  const marker = join(root, 'marker');
  for (const directory of [root, cwd]) {
    mkdirSync(join(directory, 'node_modules', 'lmdb'), { recursive: true });
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    write('bunfig.toml', 'preload = ["./preload.js"]\n');
    write('.bunfig.toml', 'preload = ["./preload.js"]\n');
    write('preload.js', `require('node:fs').writeFileSync(${JSON.stringify(marker)}, 'preload ran');\n`);
    for (const name of ['.env', '.env.local', '.env.production', '.env.development']) {
      write(name, `CNI_ARGS=IP=10.0.0.77\nECS_CNI_LOGLEVEL=debug\nECS_CNI_LOG_FILE=${join(root, 'log')}\n`);
    }
    write('package.json', '{"name":"trap","type":"commonjs","main":"./preload.js"}\n');
    write('tsconfig.json', '{"compilerOptions":{"paths":{"*":["./preload.js"]}}}\n');
    write('node_modules/lmdb/package.json', '{"name":"lmdb","main":"../../preload.js"}\n');
    write('node.napi.glibc.node', 'no addon\n');
    write('core.wasm', 'no module\n');
  }
  return cwd;
}

const OTHERS_CAN_WRITE = ['/tmp', '/var/tmp', '/dev/shm'];
const within = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);

testWith(
  test,
  ['root', 'strace'],
  'nothing of the current or of a world-writable directory is opened or run',
  async () => {
    const root = mkdtempSync('/var/lib/ecs-ipam-test-traps-');
    const data = mkdtempSync('/var/lib/ecs-ipam-test-store-');
    try {
      const cwd = trapDirectory(root);
      const store = join(data, 'store.mdb');
      for (const home of [undefined, cwd]) {
        const owner = home === undefined ? 'c1' : 'c2';
        const env = cniEnv('ADD', store, { CNI_CONTAINERID: owner, HOME: home, XDG_CONFIG_HOME: home });
        const traced = await trace({ env, stdin: network(), cwd, what: '%file' });
        const addresses = addressesOf(traced, `ADD in ${cwd}`);
        assert.not.equal(addresses, ['10.0.0.77'], '.env of the current directory had an effect');
        const opened = traced.calls
          .filter(({ name }) => /^(open|openat|openat2|creat|execve|execveat)$/.test(name))
          .flatMap(({ strings }) => strings.slice(0, 1));
        // The first execve is strace's own.
        const paths = opened.slice(1).map(path => (isAbsolute(path) ? path : resolve(cwd, path)));
        assert.ok(paths.includes(store), `the trace shows no open of the store: ${paths.join(' ')}`);
        const wrong = paths.filter(
          path =>
            [root, ...OTHERS_CAN_WRITE].some(directory => within(path, directory)) &&
            !within(path, dirname(EXECUTABLE)),
        );
        assert.equal(wrong, [], `HOME ${home}: opened or executed`);
        const ran = traced.calls.filter(({ name }) => /^execve(at)?$/.test(name)).slice(1);
        // The launcher runs the executable beside it, and nothing else is run by either.
        const others = ran.filter(({ strings }) => strings[0] !== join(dirname(EXECUTABLE), 'ecs-ipamd'));
        assert.equal(
          others.map(({ args }) => args.slice(0, 200)),
          [],
          'programs executed',
        );
        assert.not(existsSync(join(root, 'marker')), 'the preload of bunfig.toml ran');
        assert.not(existsSync(join(root, 'log')), '.env set a log file');
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
      rmSync(data, { recursive: true, force: true });
    }
  },
);

test.run();
