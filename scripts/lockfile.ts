// `npm run lock`: after `npm install`, adds to package-lock.json what npm left out.
//
// A registry mirror may lack packages for platforms that nobody there uses. npm then drops them from the lock file
// in silence, and `npm ci` refuses that lock file everywhere. What is added is the version that the package asks for and the
// platform in its name; where such a platform is used, npm fetches it by that version.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './tools.ts';

type Entry = {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};
type Lock = { readonly packages: Readonly<Record<string, Entry>> };

const file = join(root, 'package-lock.json');
const read = (): Lock => JSON.parse(readFileSync(file, 'utf8'));

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = { aarch64: 'arm64', arm: 'arm', arm64: 'arm64', armv7: 'arm', ia32: 'ia32', loong64: 'loong64' };
const MORE = { mips64el: 'mips64el', ppc64: 'ppc64', riscv64: 'riscv64', s390x: 's390x', x64: 'x64' };

/** The platform that a package says in its name, for example `@swc/core-linux-arm-gnueabihf`. */
const platformOf = (name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> => {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = Object.entries({ ...PROCESSORS, ...MORE }).find(([word]) => words.includes(word))?.[1];
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not say for which platform it is`);
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu')) && 'glibc';
  return { os: [os], cpu: [cpu], ...(libc ? { libc: [libc] } : {}) };
};

/** The optional packages that the lock file refers to without an entry. */
const missing = ({ packages }: Lock): ReadonlyMap<string, Entry> => {
  const found = new Map<string, Entry>();
  for (const [place, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const own = `${place}/node_modules/${name}`;
      const shared = `node_modules/${name}`;
      if (packages[own] !== undefined || packages[shared] !== undefined) continue;
      found.set(shared, { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platformOf(name) });
    }
  }
  return found;
};

/** What keeps `npm ci` from accepting the lock file, and registry addresses, which have no place in it. */
export const lockTrouble = (): readonly string[] => {
  const lock = read();
  return [
    ...[...missing(lock).keys()].map((place) => `package-lock.json has no ${place}: run npm run lock`),
    ...Object.entries(lock.packages).flatMap(([place, entry]) =>
      'resolved' in entry ? [`package-lock.json says where ${place} was fetched from: run npm run lock`] : [],
    ),
  ];
};

const complete = (): void => {
  const lock = read();
  const entries = [...Object.entries(lock.packages), ...missing(lock)].map(([place, entry]) => {
    const { resolved: _, ...rest } = entry as Entry & { readonly resolved?: string };
    return [place, rest] as const;
  });
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(entries) }, null, 2)}\n`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) complete();
