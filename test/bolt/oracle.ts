// Checks a bbolt file as bbolt's own `check` does, in a way of its own: recursive, all numbers as they come, every page
// accounted for. Slow and trusting: for files that should be sound.

import * as assert from 'uvu/assert';

/** The rows of bucket IPAM as hexadecimal text; fails if anything about the file is not as bbolt would have it. */
export function checkFile(bytes: Uint8Array): Map<string, string> {
  const file = Buffer.from(bytes);
  const metas = [0, 1].map(number => meta(file, number));
  const { root, freelist, highWater, pageBytes } = metas[0]!.txid > metas[1]!.txid ? metas[0]! : metas[1]!;
  assert.ok(highWater * pageBytes <= file.length, 'high water');
  const owner = new Map<number, string>([0, 1].map(page => [page, 'meta']));
  const claim = (page: number, who: string) => {
    const at = page * pageBytes;
    assert.is(Number(file.readBigUInt64LE(at)), page, 'page id');
    for (let i = 0; i <= file.readUInt32LE(at + 12); i++) {
      assert.not(owner.has(page + i), `page ${page + i} of ${who} belongs to ${owner.get(page + i)}`);
      owner.set(page + i, who);
    }
    return at;
  };
  const rows = new Map<string, string>();
  let lastKey = '';
  const walk = (page: number, who: string, leaf: (key: Buffer, value: Buffer, flags: number) => void): string => {
    const at = claim(page, who);
    const [flags, count] = [file.readUInt16LE(at + 8), file.readUInt16LE(at + 10)];
    let firstKey = '';
    for (let i = 0; i < count; i++) {
      const element = at + 16 + 16 * i;
      const [flag, pos, keyBytes, valueBytes] =
        flags === 2
          ? [0, 4, 8, 12].map(offset => file.readUInt32LE(element + offset))
          : [0, file.readUInt32LE(element), file.readUInt32LE(element + 4), 0];
      const key = file.subarray(element + pos!, element + pos! + keyBytes!);
      if (i === 0) firstKey = key.toString('hex');
      if (flags === 1) {
        const child = Number(file.readBigUInt64LE(element + 8));
        assert.is(walk(child, who, leaf), key.toString('hex'), 'a branch names the first key of its child');
      } else {
        assert.is(flags, 2, 'leaf');
        leaf(key, file.subarray(element + pos! + keyBytes!, element + pos! + keyBytes! + valueBytes!), flag!);
      }
    }
    return firstKey;
  };
  walk(root, 'root bucket', (key, value, flags) => {
    assert.is(flags, 1, 'bucket');
    assert.is(key.toString(), 'IPAM');
    walk(Number(value.readBigUInt64LE(0)), 'IPAM', (key, value, flags) => {
      assert.is(flags, 0);
      const hex = key.toString('hex');
      assert.ok(rows.size === 0 || Buffer.compare(Buffer.from(lastKey, 'hex'), key) < 0, 'order');
      lastKey = hex;
      rows.set(hex, value.subarray(8).toString('hex'));
    });
  });
  const at = claim(freelist, 'free pages');
  assert.is(file.readUInt16LE(at + 8), 16);
  for (let i = 0; i < file.readUInt16LE(at + 10); i++) {
    const free = Number(file.readBigUInt64LE(at + 16 + 8 * i));
    assert.not(owner.has(free), `page ${free} is free, and of ${owner.get(free)}`);
    owner.set(free, 'free');
  }
  for (let page = 0; page < highWater; page++) assert.ok(owner.has(page), `page ${page}: nobody's`);
  return rows;
}

function meta(file: Buffer, number: number) {
  const at = number * file.readUInt32LE(24);
  assert.is(file.readUInt32LE(at + 16), 0xed0cdaed);
  let [high, low] = [0xcbf29ce4, 0x84222325]; // FNV-1a in two halves: the prime is 2 ** 40 + 0x1b3
  for (const byte of file.subarray(at + 16, at + 72)) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + low * 256) % 2 ** 32;
    low = product % 2 ** 32;
  }
  const checksum = (BigInt(high) << 32n) | BigInt(low);
  assert.is(file.readBigUInt64LE(at + 72), checksum, `checksum of meta page ${number}`);
  const [root, , freelist, highWater, txid] = [32, 40, 48, 56, 64].map(i => Number(file.readBigUInt64LE(at + i)));
  return { root: root!, freelist: freelist!, highWater: highWater!, txid: txid!, pageBytes: file.readUInt32LE(24) };
}
