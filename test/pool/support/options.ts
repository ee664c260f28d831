// Options of pools, and what comes of them.

import type { AddressPoolOptions } from '../../../src/index.ts';

export interface Case {
  reason: string;
  subnet: string;
  options?: AddressPoolOptions;
  capacity: bigint;
  /** All that is handed out. */
  runs: string;
  /** Never handed out, though in the range. */
  reserved?: string[];
}

const V6_END = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

export const CASES: Case[] = [
  {
    reason: 'network and broadcast are reserved',
    subnet: '10.0.0.0/24',
    capacity: 254n,
    runs: '10.0.0.1 - 10.0.0.254',
    reserved: ['10.0.0.0', '10.0.0.255'],
  },
  {
    reason: 'network and broadcast are reserved',
    subnet: '10.0.0.4/30',
    capacity: 2n,
    runs: '10.0.0.5 - 10.0.0.6',
    reserved: ['10.0.0.4', '10.0.0.7'],
  },
  { reason: 'RFC 3021: both usable', subnet: '10.0.0.4/31', capacity: 2n, runs: '10.0.0.4 - 10.0.0.5' },
  { reason: 'a single address', subnet: '10.0.0.4/32', capacity: 1n, runs: '10.0.0.4' },
  {
    reason: 'all of IPv4',
    subnet: '0.0.0.0/0',
    capacity: (1n << 32n) - 2n,
    runs: '0.0.0.1 - 255.255.255.254',
    reserved: ['0.0.0.0', '255.255.255.255'],
  },
  { reason: 'host bits are ignored', subnet: '10.0.0.77/24', capacity: 254n, runs: '10.0.0.1 - 10.0.0.254' },
  {
    reason: 'not octet-aligned',
    subnet: '10.20.0.0/14',
    capacity: (1n << 18n) - 2n,
    runs: '10.20.0.1 - 10.23.255.254',
  },
  {
    reason: 'RFC 4291: the subnet-router anycast address is reserved, the last is not',
    subnet: '2001:db8::/64',
    capacity: (1n << 64n) - 1n,
    runs: '2001:db8::1 - 2001:db8::ffff:ffff:ffff:ffff',
    reserved: ['2001:db8::'],
  },
  {
    reason: 'a small IPv6 subnet',
    subnet: '2001:db8::4/126',
    capacity: 3n,
    runs: '2001:db8::5 - 2001:db8::7',
    reserved: ['2001:db8::4'],
  },
  { reason: 'RFC 6164: both usable', subnet: '2001:db8::/127', capacity: 2n, runs: '2001:db8:: - 2001:db8::1' },
  { reason: 'a single address', subnet: '2001:db8::7/128', capacity: 1n, runs: '2001:db8::7' },
  { reason: 'all of IPv6', subnet: '::/0', capacity: (1n << 128n) - 1n, runs: `::1 - ${V6_END}`, reserved: ['::'] },
  { reason: 'host bits are ignored', subnet: '2001:db8::9/126', capacity: 3n, runs: '2001:db8::9 - 2001:db8::b' },

  // gateway
  {
    reason: 'a gateway at the beginning',
    subnet: '10.0.0.0/29',
    options: { gateway: '10.0.0.1' },
    capacity: 5n,
    runs: '10.0.0.2 - 10.0.0.6',
    reserved: ['10.0.0.1'],
  },
  {
    reason: 'a gateway in the middle',
    subnet: '10.0.0.0/29',
    options: { gateway: '10.0.0.3' },
    capacity: 5n,
    runs: '10.0.0.1 - 10.0.0.2, 10.0.0.4 - 10.0.0.6',
    reserved: ['10.0.0.3'],
  },
  {
    reason: 'a gateway that is reserved anyway counts once',
    subnet: '10.0.0.0/29',
    options: { gateway: '10.0.0.7', exclude: ['10.0.0.7'] },
    capacity: 6n,
    runs: '10.0.0.1 - 10.0.0.6',
  },
  { reason: 'half of a /31', subnet: '10.0.0.0/31', options: { gateway: '10.0.0.0' }, capacity: 1n, runs: '10.0.0.1' },
  { reason: 'nothing is left', subnet: '10.0.0.0/32', options: { gateway: '10.0.0.0' }, capacity: 0n, runs: '' },
  {
    reason: 'a gateway written in full',
    subnet: '2001:db8::/126',
    options: { gateway: '2001:0DB8:0:0:0:0:0:2' },
    capacity: 2n,
    runs: '2001:db8::1, 2001:db8::3',
    reserved: ['2001:db8::2'],
  },

  // exclude
  {
    reason: 'nothing named',
    subnet: '10.0.0.0/30',
    options: { exclude: [] },
    capacity: 2n,
    runs: '10.0.0.1 - 10.0.0.2',
  },
  {
    reason: 'addresses and prefixes',
    subnet: '10.0.0.0/24',
    options: { exclude: ['10.0.0.5', '10.0.0.128/25'] },
    capacity: 126n,
    runs: '10.0.0.1 - 10.0.0.4, 10.0.0.6 - 10.0.0.127',
    reserved: ['10.0.0.5', '10.0.0.128', '10.0.0.200', '10.0.0.255'],
  },
  {
    reason: 'overlapping, touching, doubled, in no order',
    subnet: '10.0.0.0/24',
    options: { exclude: ['10.0.0.32/28', '10.0.0.16/28', '10.0.0.40/29', '10.0.0.48', '10.0.0.15', '10.0.0.16/28'] },
    capacity: 254n - 34n,
    runs: '10.0.0.1 - 10.0.0.14, 10.0.0.49 - 10.0.0.254',
  },
  {
    reason: 'host bits of an excluded prefix are ignored',
    subnet: '10.0.0.0/28',
    options: { exclude: ['10.0.0.10/30'] },
    capacity: 10n,
    runs: '10.0.0.1 - 10.0.0.7, 10.0.0.12 - 10.0.0.14',
  },
  { reason: 'the subnet', subnet: '10.0.1.0/24', options: { exclude: ['10.0.1.0/24'] }, capacity: 0n, runs: '' },
  {
    reason: 'more than the subnet',
    subnet: '10.0.1.0/24',
    options: { exclude: ['10.0.0.0/8'] },
    capacity: 0n,
    runs: '',
  },
  { reason: 'everything', subnet: '::/0', options: { exclude: ['8000::/0'] }, capacity: 0n, runs: '' },
  { reason: 'all of IPv4', subnet: '1.2.3.4/32', options: { exclude: ['0.0.0.0/0'] }, capacity: 0n, runs: '' },
  {
    reason: 'where the lower 64 bits overflow',
    subnet: '2001:db8::/48',
    options: { exclude: ['2001:db8::/64', '2001:db8:0:1::'] },
    capacity: (1n << 80n) - (1n << 64n) - 1n,
    runs: '2001:db8:0:1::1 - 2001:db8:0:ffff:ffff:ffff:ffff:ffff',
    reserved: ['2001:db8::', '2001:db8::1:0:0:0', '2001:db8:0:1::'],
  },
  {
    reason: 'many: more than one page of them is merged into the ranges that they are',
    subnet: '10.0.0.0/16',
    options: { exclude: Array.from({ length: 3000 }, (_, i) => `10.0.${i >> 7}.${(2 * i) & 0xff}`) },
    capacity: 65534n - 2999n,
    runs: [
      ...Array.from({ length: 2999 }, (_, i) => `10.0.${i >> 7}.${((2 * i) & 0xff) + 1}`),
      '10.0.23.111 - 10.0.255.254',
    ].join(', '),
  },

  // range
  {
    reason: 'a part of the subnet',
    subnet: '10.0.0.0/24',
    options: { range: ['10.0.0.10', '10.0.0.20'] },
    capacity: 11n,
    runs: '10.0.0.10 - 10.0.0.20',
  },
  {
    reason: 'one address',
    subnet: '10.0.0.0/24',
    options: { range: ['10.0.0.10', '10.0.0.10'] },
    capacity: 1n,
    runs: '10.0.0.10',
  },
  {
    reason: 'a range over all of it opens nothing that is reserved',
    subnet: '10.0.0.0/29',
    options: { range: ['10.0.0.0', '10.0.0.7'] },
    capacity: 6n,
    runs: '10.0.0.1 - 10.0.0.6',
    reserved: ['10.0.0.0', '10.0.0.7'],
  },
  {
    reason: 'the reserved address alone',
    subnet: '10.0.0.0/29',
    options: { range: ['10.0.0.7', '10.0.0.7'] },
    capacity: 0n,
    runs: '',
    reserved: ['10.0.0.7'],
  },
  {
    reason: 'with a gateway outside of the range, exclusions that stick out',
    subnet: '10.0.0.0/16',
    options: {
      range: ['10.0.0.250', '10.0.1.5'],
      gateway: '10.0.0.1',
      exclude: ['10.0.0.240/28', '10.0.1.2', '10.0.1.4/30'],
    },
    capacity: 3n,
    runs: '10.0.1.0 - 10.0.1.1, 10.0.1.3',
    reserved: ['10.0.0.250', '10.0.1.2', '10.0.1.5'],
  },
  {
    reason: 'the end of everything',
    subnet: '::/0',
    options: { range: [`${V6_END.slice(0, -1)}e`, V6_END] },
    capacity: 2n,
    runs: `${V6_END.slice(0, -1)}e - ${V6_END}`,
  },

  // unit
  {
    reason: 'a /80 of a /48 for each container',
    subnet: '2001:db8::/48',
    options: { unit: 80 },
    capacity: 1n << 32n,
    runs: '2001:db8::/80 - 2001:db8:0:ffff:ffff::/80',
  },
  {
    reason: 'a /28 of a /16: none is reserved',
    subnet: '10.1.0.0/16',
    options: { unit: 28 },
    capacity: 4096n,
    runs: '10.1.0.0/28 - 10.1.255.240/28',
  },
  {
    reason: 'one of the length of the subnet',
    subnet: '10.0.0.0/8',
    options: { unit: 8 },
    capacity: 1n,
    runs: '10.0.0.0/8',
  },
  {
    reason: 'the half of it',
    subnet: '10.0.0.0/8',
    options: { unit: 9 },
    capacity: 2n,
    runs: '10.0.0.0/9 - 10.128.0.0/9',
  },
  { reason: 'all of IPv4 at once', subnet: '0.0.0.0/0', options: { unit: 0 }, capacity: 1n, runs: '0.0.0.0/0' },
  { reason: 'halves of IPv6', subnet: '::/0', options: { unit: 1 }, capacity: 2n, runs: '::/1 - 8000::/1' },
  {
    reason: 'unit 32: addresses, none reserved',
    subnet: '10.0.0.0/30',
    options: { unit: 32 },
    capacity: 4n,
    runs: '10.0.0.0 - 10.0.0.3',
  },
  {
    reason: 'unit 128: addresses, none reserved',
    subnet: '2001:db8::/126',
    options: { unit: 128 },
    capacity: 4n,
    runs: '2001:db8:: - 2001:db8::3',
  },
  { reason: '2^128 of them', subnet: '::/0', options: { unit: 128 }, capacity: 1n << 128n, runs: `:: - ${V6_END}` },
  {
    reason: 'neither subnet nor unit aligned to octets',
    subnet: '2001:db8:0:abcd::/50',
    options: { unit: 61 },
    capacity: 2048n,
    runs: '2001:db8:0:8000::/61 - 2001:db8:0:bff8::/61',
  },
  {
    reason: 'a unit that an exclusion meets is never handed out: an address, a unit, a wider and a narrower prefix',
    subnet: '10.1.0.0/24',
    options: { unit: 28, exclude: ['10.1.0.0', '10.1.0.32/28', '10.1.0.65/27', '10.1.0.140/30'] },
    capacity: 11n,
    runs: '10.1.0.16/28, 10.1.0.48/28, 10.1.0.96/28 - 10.1.0.112/28, 10.1.0.144/28 - 10.1.0.240/28',
    reserved: ['10.1.0.0/28', '10.1.0.32/28', '10.1.0.64/28', '10.1.0.80/28', '10.1.0.128/28'],
  },
  {
    reason: 'an exclusion of a /64 takes the /61 around it',
    subnet: '2001:db8::/48',
    options: { unit: 61, exclude: ['2001:db8:0:b::/64'], range: ['2001:db8::/61', '2001:db8:0:18::'] },
    capacity: 3n,
    runs: '2001:db8::/61, 2001:db8:0:10::/61 - 2001:db8:0:18::/61',
  },
];
