// The tests of AddressPool run on both builds of the core.

import { suite, type Test } from 'uvu';
import { useCoreModule } from '../../../src/core/wasm.ts';
import { BUILDS } from '../../core/support/core.ts';

/** Defines and runs a suite for each build, whose pools are made on that build. */
export function suitesOfBuilds(name: string, define: (test: Test) => void): void {
  for (const { name: build, module } of BUILDS) {
    const test = suite(`${name}, ${build}`);
    test.before(() => useCoreModule(module));
    define(test);
    test.run();
  }
}
