import { readFileSync } from 'node:fs';

/** That of package.json, two folders up both from the sources and from what is built. */
export const version = (): string => {
  const { version: own } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return own;
};
