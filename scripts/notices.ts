// The licences of everything that ships in a release. What is compiled into the executable is the bundler's word, not a
// list: a package without an entry here stops the release.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const APACHE = 'LICENSE'; // the project's own

/** For each package, the files with its licence; `/` before one: below the project's folder. */
const LICENCES: Record<string, string[]> = {
  '@assemblyscript/loader': [`/${APACHE}`],
  '@harperfast/extended-iterable': ['LICENSE'],
  commander: ['LICENSE'],
  // The addon too: LMDB and LZ4 are compiled into it.
  lmdb: [
    'LICENSE',
    'dependencies/lmdb/libraries/liblmdb/COPYRIGHT',
    'dependencies/lmdb/libraries/liblmdb/LICENSE',
    'dependencies/lz4/lib/LICENSE',
  ],
  loglevel: ['LICENSE-MIT'],
  'node-addon-api': ['LICENSE.md'],
  valibot: ['LICENSE.md'],
};

/** Not of the bundle: the addon's, and what the executable and the launcher are made with. */
const BESIDE_THE_BUNDLE = ['node-addon-api'];
const PROGRAMS: [title: string, files: string[]][] = [
  ['Bun (ecs-ipamd)', ['bun.txt']],
  ['The GNU C library (ecs-ipam)', ['launcher.txt', 'glibc.txt']],
  ['GNU Lesser General Public License 2.1', ['LGPL-2.1.txt']],
];

const RULE = '='.repeat(100);

/** The text of THIRD-PARTY-NOTICES for an executable with these packages in it. */
export function thirdPartyNotices(root: string, bundled: readonly string[]): string {
  const packages = [...new Set([...bundled, ...BESIDE_THE_BUNDLE])].sort();
  const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8').trim();
  const sections = packages.map(name => {
    const files = LICENCES[name];
    if (files === undefined)
      throw new Error(`${name}: is in the executable, and scripts/notices.ts has no licence of it`);
    const { version } = JSON.parse(read('node_modules', name, 'package.json'));
    return [
      `${name} ${version}`,
      ...files.map(file => (file.startsWith('/') ? read(file) : read('node_modules', name, file))),
    ];
  });
  const { version } = JSON.parse(read('node_modules/bun/package.json'));
  for (const [title, files] of PROGRAMS) {
    const texts = files.map(file => read('contrib/licences', file));
    sections.push([title.replace(/^Bun/, `Bun ${version}`), ...texts]);
  }
  const head = 'ecs-ipam contains the following software of others, under the licences given with each.';
  return [head, ...sections.map(([title, ...texts]) => [RULE, title, RULE, ...texts].join('\n\n'))]
    .join('\n\n')
    .concat('\n');
}
