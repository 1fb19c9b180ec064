// `npm run schemas`: docs/schemas/ from src/admin/schemas.ts. A test holds that they are fresh.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { schemaFiles } from './schemaFiles.ts';
import { root } from './tools.ts';

const folder = join(root, 'docs/schemas');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, text] of schemaFiles()) writeFileSync(join(folder, name), text);
