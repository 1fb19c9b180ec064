import { loadMeshFile } from '../../app/meshFile.ts';
import { showDiagnostic } from '../../lib/diagnostic.ts';
import { CONFIG, type CommandSpec, OUTPUT, print, printJson, wantsJson } from '../command.ts';

/** Every problem of one or several files. */
export const validateCommand: CommandSpec = {
  name: 'validate',
  args: [{ form: '[file...]', description: 'files to check (default: the one of --config)' }],
  summary: 'report every problem of a mesh file',
  example: 'signet validate mesh.yaml',
  options: [CONFIG, OUTPUT],
  run: async (input, io) => {
    const files = input.args.length > 0 ? input.args : [input.text('config') ?? ''];
    const json = wantsJson(input);
    // A file that cannot be read must not hide what is wrong with the others.
    const read = await Promise.allSettled(
      files.map(async (file) => ({ file, loaded: await loadMeshFile(file, io.env) })),
    );
    const results = read.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const unread = read.find((outcome) => outcome.status === 'rejected');
    const diagnostics = results.flatMap(({ loaded }) => (loaded.ok ? loaded.value.warnings : loaded.error));
    const valid = unread === undefined && results.every(({ loaded }) => loaded.ok);
    if (json && results.length > 0) printJson(io, { valid, diagnostics });
    else for (const diagnostic of diagnostics) io.stderr.write(`${showDiagnostic(diagnostic)}\n`);
    if (!json) {
      for (const { file, loaded } of results)
        if (loaded.ok) print(io, `${file}: ok, ${loaded.value.mesh.services.size} services`);
    }
    if (unread !== undefined) throw unread.reason;
    return valid ? 0 : 1;
  },
};
