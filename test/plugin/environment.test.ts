// CNI.md 1, environment: what each command requires at which version, and how identifiers must look.

import type { Env } from '../support/plugin.ts';
import { config, container, HISTORIC, Host, parallel, type Subject } from './harness.ts';

const test = parallel('environment');
const IPAM = { 'ipv4-subnet': '10.0.0.0/24' };
const at = (cniVersion: string | undefined, top = {}) => config(IPAM, { cniVersion, ...top });

// A variable that is missing, in both ways that a variable can be missing.
const REQUIRED = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
};
for (const version of ['0.4.0', '1.0.0', '1.1.0']) {
  for (const [command, variables] of Object.entries(REQUIRED)) {
    for (const variable of variables) {
      test(`${command} ${version} without ${variable}: 4`, async () => {
        await new Host().refuse(command, at(version), 4, [variable], { [variable]: undefined });
      });
    }
  }
}
for (const [command, variables] of Object.entries(REQUIRED)) {
  test(`${command} 1.1.0 with empty variables: 4, and one message names all of them`, async () => {
    const env = Object.fromEntries(variables.map(variable => [variable, '']));
    await new Host().refuse(command, at('1.1.0'), 4, variables, env);
  });
  test(`${command} 0.4.0 with all of them unset: 4, and one message names all of them`, async () => {
    const env = Object.fromEntries(variables.map(variable => [variable, undefined]));
    await new Host().refuse(command, at('0.4.0'), 4, variables, env);
  });
}

for (const [value, why] of [
  [undefined, 'unset'],
  ['', 'empty equals unset'],
] as const) {
  test(`GC with CNI_PATH ${why}: 4`, async () => {
    await new Host().refuse('GC', at('1.1.0'), 4, ['CNI_PATH'], { CNI_PATH: value });
  });
}

const BLANK: Env = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_ARGS: '' };
const UNSET: Env = { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_IFNAME: undefined, CNI_ARGS: undefined };
for (const [name, command, env] of [
  ['GC as libcni sends it, the rest empty', 'GC', BLANK],
  ['GC with the rest unset', 'GC', UNSET],
  ['STATUS as libcni sends it, the rest empty', 'STATUS', BLANK],
  ['STATUS with the rest unset, CNI_PATH too', 'STATUS', { ...UNSET, CNI_PATH: undefined }],
  ['DEL without CNI_NETNS', 'DEL', { CNI_NETNS: undefined }],
  ['DEL with CNI_NETNS empty', 'DEL', { CNI_NETNS: '' }],
  ['DEL without CNI_PATH', 'DEL', { CNI_PATH: undefined }],
] as const) {
  test(`${name}: succeeds`, async () => {
    await new Host().succeed(command, at('1.1.0', { 'cni.dev/valid-attachments': [] }), env);
  });
}
test('ADD without CNI_PATH and CNI_ARGS: both are optional', async () => {
  await new Host().add(at('1.1.0'), { CNI_PATH: undefined, CNI_ARGS: undefined });
});

for (const version of ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '', undefined]) {
  const shown = version === undefined ? 'no version' : JSON.stringify(version);
  test(`${shown}: ADD and DEL need no container id, no namespace, no name`, async () => {
    const host = new Host();
    const stdin = config({ ...IPAM, id: 'a' }, { cniVersion: version, name: undefined });
    await host.add(stdin, HISTORIC);
    await host.succeed('DEL', stdin, HISTORIC);
    await host.holds([], ['10.0.0.2']);
  });
  test(`${shown}: CNI_IFNAME stays required`, async () => {
    const host = new Host();
    await host.refuse('ADD', at(version), 4, ['CNI_IFNAME'], { CNI_IFNAME: undefined });
    await host.refuse('DEL', at(version), 4, ['CNI_IFNAME'], { CNI_IFNAME: '' });
  });
}

for (const [version, command] of [
  ['0.4.0', 'ADD'],
  ['0.4.0', 'DEL'],
  ['0.4.0', 'CHECK'],
  ['1.0.0', 'ADD'],
  ['1.0.0', 'DEL'],
  ['1.1.0', 'ADD'],
  ['1.1.0', 'CHECK'],
  ['1.1.0', 'GC'],
] as const) {
  test(`${command} ${version} without a name: 7`, async () => {
    await new Host().refuse(command, at(version, { name: undefined }), 7, [/\bname\b/]);
  });
}
test('ADD 1.0.0 with an empty name: 7, empty equals absent', async () => {
  await new Host().refuse('ADD', at('1.0.0', { name: '' }), 7, [/\bname\b/]);
});

for (const command of ['FOO', 'add', 'Add', 'ADD ', ' ADD', 'DELETE', 'version', 'Status', 'gc', 'CHECK\n', 'GET']) {
  test(`CNI_COMMAND ${JSON.stringify(command)}: 4`, async () => {
    await new Host().refuse(command, at('1.1.0'), 4, ['CNI_COMMAND', command.trim()]);
  });
}

const BAD_IDS: [string, string][] = [
  ['-a', 'starts with a dash'],
  ['.a', 'starts with a dot'],
  ['_a', 'starts with an underscore'],
  ['a b', 'a space'],
  ['a/b', 'a slash'],
  ['a:b', 'a colon'],
  ['a+b', 'a plus'],
  ['a\n', 'a trailing newline'],
  ['a\nb', 'a newline inside'],
  ['\na', 'a leading newline'],
  ['é', 'not ASCII'],
  ['aé', 'not ASCII inside'],
  ['../a', 'a path'],
];
for (const [id, why] of BAD_IDS) {
  test(`container id ${JSON.stringify(id)} (${why}): 4`, async () => {
    await new Host().refuse('ADD', at('1.0.0'), 4, ['CNI_CONTAINERID'], { CNI_CONTAINERID: id });
  });
  test(`network name ${JSON.stringify(id)} (${why}): 7`, async () => {
    await new Host().refuse('ADD', at('1.0.0', { name: id }), 7, [/\bname\b/]);
  });
}
for (const [version, command] of [
  ['0.3.1', 'ADD'],
  ['0.3.1', 'DEL'],
  ['1.1.0', 'DEL'],
  ['1.1.0', 'CHECK'],
] as const) {
  test(`${command} ${version} with a bad container id: 4`, async () => {
    await new Host().refuse(command, at(version), 4, ['CNI_CONTAINERID'], { CNI_CONTAINERID: 'a/b' });
  });
}
test('DEL 0.3.1 with a bad name: 7', async () => {
  await new Host().refuse('DEL', at('0.3.1', { name: 'a/b' }), 7, [/\bname\b/, 'a/b']);
});

for (const [id, why] of [
  ['a', 'one letter'],
  ['0', 'one digit'],
  ['A.b_c-d', 'every kind of character'],
  ['a.', 'a dot at the end'],
  ['a-', 'a dash at the end'],
  ['x'.repeat(5000), '5000 characters: no length cap'],
] as const) {
  const shown = id.slice(0, 20);
  test(`container id ${shown} (${why}): held, found again, released`, async () => {
    const host = new Host();
    await host.take(at('1.0.0'), container(id, 'eth0'));
    await host.refuse('ADD', at('1.0.0'), 103, ['10.0.0.2'], { CNI_CONTAINERID: id });
    await host.succeed('DEL', at('1.0.0'), { CNI_CONTAINERID: id });
    await host.holds([], ['10.0.0.2']);
  });
  test(`network name ${shown} (${why}): accepted`, async () => {
    await new Host().add(at('1.0.0', { name: id }));
  });
}

const BAD_NAMES: [string, string, Subject[]][] = [
  ['eth0123456789abc', '16 bytes', ['eth0123456789abc']],
  ['é'.repeat(8), '16 bytes in 8 characters', []],
  ['.', 'the directory itself', []],
  ['..', 'the parent directory', []],
  ['eth/0', 'a slash', ['eth/0']],
  ['eth:0', 'a colon', ['eth:0']],
  ['eth 0', 'a space', ['eth 0']],
  [' eth0', 'a leading space', []],
  ['eth0\n', 'a trailing newline', []],
  ['eth\t0', 'a tab', []],
];
for (const [name, why, subjects] of BAD_NAMES) {
  test(`interface ${JSON.stringify(name)} (${why}): 4`, async () => {
    await new Host().refuse('ADD', at('1.0.0'), 4, ['CNI_IFNAME', ...subjects], { CNI_IFNAME: name });
  });
}
test('DEL with a bad interface name: 4', async () => {
  await new Host().refuse('DEL', at('1.0.0'), 4, ['CNI_IFNAME', 'a/b'], { CNI_IFNAME: 'a/b' });
});
test('ADD 0.3.0 with a bad interface name: 4', async () => {
  await new Host().refuse('ADD', at('0.3.0'), 4, ['CNI_IFNAME', 'a/b'], { CNI_IFNAME: 'a/b' });
});
for (const [name, why] of [
  ['e', 'one byte'],
  ['eth0123456789ab', '15 bytes'],
  ['...', 'only . and .. are special'],
  ['é'.repeat(7), '14 bytes'],
  ['eth0.100', 'a VLAN'],
  ['eth0@if3-_+', 'any other character'],
] as const) {
  test(`interface ${name} (${why}): accepted`, async () => {
    const host = new Host();
    await host.add(at('1.0.0'), { CNI_IFNAME: name });
    await host.succeed('DEL', at('1.0.0'), { CNI_IFNAME: name });
    await host.holds([], ['10.0.0.2']);
  });
}

test.run();
