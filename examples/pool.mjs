// A pool in ten lines: addresses of a /24 for the peers of a VPN server.
import { AddressPool } from 'ecs-ipam';

const pool = new AddressPool('10.8.0.0/24', { gateway: '10.8.0.1', exclude: ['10.8.0.128/25'] });
const laptop = pool.acquire();
const phone = pool.acquire();
console.log(`laptop ${laptop}, phone ${phone}, ${pool.used} of ${pool.capacity} in use`);
pool.release(laptop);
console.log(`the next one is ${pool.acquire()}: a released address comes back as late as possible`);
for (const { first, last } of pool) console.log(`in use: ${first} to ${last}`);
