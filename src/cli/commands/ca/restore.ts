import type { RestoreAnswer } from '../../../admin/responses.ts';
import { type CommandSpec, OUTPUT, print, printJson, wantsJson } from '../../command.ts';
import { table } from '../../table.ts';
import { PASSPHRASE, passphraseSource } from './passphrase.ts';

/** The way back for an authority that cannot be read, while Signet is stopped. */
export const caRestoreCommand: CommandSpec = {
  name: 'ca restore',
  args: [],
  summary: 'return a certificate authority that cannot be read to the generation before, while Signet is stopped',
  example: 'signet ca restore --data ./.signet',
  options: [
    { flags: '--data <dir>', description: 'the data directory', default: './.signet' },
    ...PASSPHRASE,
    { flags: '--yes', description: 'also if nothing is broken' },
    OUTPUT,
  ],
  run: async (input, io) => {
    const json = wantsJson(input);
    // The store is loaded by no command that asks a server.
    const { restoreData } = await import('../../../app/restoreData.ts');
    const { readPassphrase } = await import('../../../app/passphrase.ts');
    const passphrase = await readPassphrase(passphraseSource(input));
    const answer = await restoreData(input.text('data') ?? '', input.flag('yes'), Date.now(), passphrase);
    if (json) printJson(io, answer);
    else print(io, answer.restored.map(show).join('\n'));
    return 0;
  },
};

const show = ({ document, broken, generation, cas }: RestoreAnswer['restored'][number]): string => {
  const rows = cas.map(({ kind, state, serial, notAfter }) => [kind, state, serial, notAfter]);
  return [
    `restored ca/${document}: the generation before is generation ${generation} now`,
    ...(broken === null ? [] : [`it was: ${broken}`]),
    table(['ROLE', 'STATE', 'SERIAL', 'NOT AFTER'], rows).trimEnd(),
    'Start Signet again. A rotation that was running in it is paused: see `signet ca rotate`.',
  ].join('\n');
};
