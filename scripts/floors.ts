import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, tryTool } from './tools.ts';

type Cruise = {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly object[] }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
};

/**
 * What breaks the floors (.dependency-cruiser.cjs). dependency-cruiser sees nothing, and finds nothing wrong, when its
 * parser cannot read the language: so every source file must be among the modules that it read, with imports.
 */
export const floorTrouble = (): readonly string[] => {
  const cruise = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { modules, summary }: Cruise = JSON.parse(tryTool('depcruise', cruise, true).stdout);
  const seen = new Set(modules.map(({ source }) => source));
  const unseen = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('gen/'))
    .map((name) => `src/${name}`)
    .filter((name) => !seen.has(name));
  const imports = modules.filter(({ source }) => source.startsWith('src/')).flatMap((module) => module.dependencies);
  return [
    ...unseen.map((name) => `dependency-cruiser did not see ${name}`),
    ...(imports.length === 0 ? ['dependency-cruiser saw no imports at all'] : []),
    ...summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} imports ${to}`),
  ];
};
