// The library: addresses, prefixes, and pools of them. No LMDB, no module of Node's, no fetch: it runs anywhere.

export { AddressPool, type AddressPoolOptions, type PoolNode, type Run } from './ipam/pool.ts';
export { formatAddress, parseAddress } from './net/address.ts';
export { formatPrefix, type Prefix, parsePrefix } from './net/prefix.ts';
