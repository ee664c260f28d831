// examples/page.html in Debian's Chromium: every button, and what the page shows then.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testWith } from '../support/requirements.ts';

const test = suite('page');

const root = fileURLToPath(new URL('../..', import.meta.url));
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The repository's folder, as any server of files would give it. */
async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url!, 'http://localhost').pathname);
    try {
      const body = readFileSync(join(root, path));
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Opens the page. In the end there must have been no error of any kind, and no request to anybody else. */
async function withPage(call: (page: Page) => Promise<void>): Promise<void> {
  const server = await serve();
  let browser: Browser | undefined;
  try {
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const problems: string[] = [];
    page.on('pageerror', error => problems.push(`error: ${error.message}`));
    page.on('console', message => problems.push(`${message.type()}: ${message.text()}`));
    page.on('requestfailed', request => problems.push(`failed: ${request.url()}`));
    page.on('request', request => {
      if (!request.url().startsWith(origin)) problems.push(`request: ${request.url()}`);
    });
    await page.goto(`${origin}/examples/page.html`);
    await page.waitForFunction(`document.getElementById('said').textContent !== ''`, null, { timeout: 20_000 });
    await call(page);
    assert.equal(problems, []);
  } finally {
    await browser?.close();
    server.closeAllConnections();
    server.close();
  }
}

interface Shown {
  used: number;
  nodes: number;
  memoryKiB: number;
  said: string;
  time: string;
  figures: number;
  captions: string[];
}

async function shown(page: Page): Promise<Shown> {
  const text = async (id: string) => (await page.locator(`#${id}`).textContent()) ?? '';
  const number = (text: string) => Number(text.replaceAll(',', ''));
  const memory = /^([\d,]+) KiB$/.exec(await text('memory'));
  return {
    used: number(await text('used')),
    nodes: number(await text('nodes')),
    memoryKiB: number(memory?.[1] ?? 'NaN'),
    said: await text('said'),
    time: await text('time'),
    figures: await page.locator('figure').count(),
    captions: await page.locator('figcaption').allInnerTexts(),
  };
}

async function click(page: Page, id: string): Promise<Shown> {
  await page.locator(`#${id}`).click();
  return shown(page);
}

/** Colour of a cell's middle in the first figure. */
const cellColour = (page: Page, cell: number): Promise<string> =>
  page.evaluate<string>(`(() => {
    const canvas = document.querySelector('figure canvas');
    const size = canvas.width / 16;
    const [x, y] = [(${cell} % 16 + 0.5) * size, (Math.floor(${cell} / 16) + 0.5) * size];
    const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, x, y, 1, 1, 0, 0, 1, 1);
    return Array.from(copy.getImageData(0, 0, 1, 1).data).join();
  })()`);

testWith(test, ['chromium'], 'the buttons do what they say, and the page shows it', () =>
  withPage(async page => {
    const start = await shown(page);
    assert.equal([start.used, start.nodes, start.figures], [0, 0, 0]);
    assert.is(start.said, 'Nothing is in use: there is no node at all.');

    const one = await click(page, 'one');
    assert.equal([one.used, one.nodes, one.figures], [1, 1, 1]);
    assert.is(one.said, 'Acquired 2001:db8::1.');
    assert.is(one.captions[0], '2001:db8::/120\n1 of 256 used');
    assert.match(one.time, /^[\d,]+ (µs|ms)$/);
    const [free, used] = [await cellColour(page, 0), await cellColour(page, 1)];
    assert.is.not(used, free, 'a used cell is drawn otherwise than a free one');
    assert.is(await cellColour(page, 2), free);

    const thousand = await click(page, 'thousand');
    // The first leaf lacks ::0, two are full and a bit each of the node above, the last is begun.
    assert.equal([thousand.used, thousand.nodes, thousand.figures], [1001, 3, 3]);
    assert.is(thousand.said, 'Acquired 1,000 in one run: 2001:db8::2 to 2001:db8::3e9.');
    assert.equal(thousand.captions, [
      '2001:db8::/112\n2 of 256 full',
      '2001:db8::/120\n255 of 256 used',
      '2001:db8::300/120\n234 of 256 used',
    ]);

    const million = await click(page, 'million');
    assert.is(million.used, 1_001_001);
    const hundred = await click(page, 'hundred-million');
    assert.is(hundred.used, 101_001_001);
    assert.ok(hundred.nodes <= 8, `${hundred.nodes} nodes`);
    assert.is(hundred.figures, hundred.nodes);
    assert.is(hundred.memoryKiB, start.memoryKiB, 'memory did not grow');

    const scattered = await click(page, 'scatter');
    assert.equal([scattered.used, scattered.nodes], [hundred.used + 8, hundred.nodes + 8]);
    assert.match(scattered.said, /^Took 8 addresses anywhere/);

    const released = await click(page, 'release');
    const count = Number(/^Released (\d+) of the first 65,536/.exec(released.said)?.[1]);
    assert.ok(count > 150 && count <= 200, released.said);
    assert.is(released.used, scattered.used - count);
    assert.ok(released.nodes > scattered.nodes + 50, 'full leaves have opened');
    assert.ok(released.figures < released.nodes, 'not all of them are drawn');
    assert.match((await page.locator('.more').first().textContent()) ?? '', /^and [\d,]+ more$/);

    const again = await click(page, 'one');
    assert.is(again.used, released.used + 1);
    assert.match(again.said, /^Acquired 2001:db8::/);

    const reset = await click(page, 'reset');
    assert.equal([reset.used, reset.nodes, reset.figures, reset.said], [0, 0, 0, start.said]);
    assert.is((await click(page, 'release')).said, 'Nothing is in use.');
  }),
);

testWith(test, ['chromium'], 'scatter alone, and release of what was scattered', () =>
  withPage(async page => {
    for (let i = 1; i <= 5; i++) {
      const { used, nodes } = await click(page, 'scatter');
      assert.equal([used, nodes], [8 * i, 8 * i]);
    }
    const { used } = await click(page, 'release');
    assert.ok(used <= 40);
  }),
);

testWith(test, ['chromium'], 'in the dark, and on a narrow screen', () =>
  withPage(async page => {
    await click(page, 'thousand');
    const colours = [await cellColour(page, 0), await cellColour(page, 1)];
    await page.emulateMedia({ colorScheme: 'dark' });
    // The nodes are drawn again when the page hears of it.
    const deadlineMs = performance.now() + 5000;
    while ((await cellColour(page, 0)) === colours[0]) assert.ok(performance.now() < deadlineMs, 'drawn again');
    const dark = [await cellColour(page, 0), await cellColour(page, 1)];
    assert.is.not(dark[0], dark[1]);
    assert.is.not(dark[1], colours[1]);
    await page.setViewportSize({ width: 360, height: 640 });
    await click(page, 'release');
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  }),
);

test.run();
