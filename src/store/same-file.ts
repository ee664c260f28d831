// Whether two looks at the file system saw the same file.

interface Identity {
  ino: number | bigint;
  dev: number | bigint;
}

export const isSame = (a: Identity | undefined, b: Identity | undefined): boolean =>
  a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
