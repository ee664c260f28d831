// V8 compiles a function for what it has seen it called with: contestants that ran through one function would all be
// measured as its most general form. Each gets a copy of what is hot.

/** A copy of a function that refers to nothing outside itself. */
export const ownFunction = <F>(work: F): F => new Function(`return ${work}`)() as F;

const kept: object[] = [];

/**
 * Keeps an instance until the end. V8 throws away what it compiled for the exports of a WebAssembly instance when that
 * is collected: each round would begin with slow code, which no program that lives with its pool sees.
 */
export function keep<T extends object>(instance: T): T {
  kept.push(instance);
  return instance;
}

let copies = 0;

/** The module at an URL, evaluated once more. */
export const ownModule = (url: URL): Promise<unknown> => import(`${url.href}?copy=${copies++}`);
