import type { PassphraseSource } from '../../../app/passphrase.ts';
import { type CommandSpec, type Input, type OptionSpec, print, usage } from '../../command.ts';

/** Of every command that opens the keys in a data directory. */
export const PASSPHRASE: readonly OptionSpec[] = [
  { flags: '--ca-passphrase-file <file>', description: 'the passphrase that the keys in --data are encrypted with' },
  { flags: '--ca-passphrase-command <program>', description: 'a program that prints it' },
];

/** What was typed for these. */
export const passphraseSource = (input: Input): PassphraseSource => ({
  file: input.text('ca-passphrase-file'),
  command: input.text('ca-passphrase-command'),
});

export const caPassphraseCommand: CommandSpec = {
  name: 'ca passphrase',
  args: [],
  summary: 'change or remove the passphrase of the keys in a data directory, while Signet is stopped',
  example: 'signet ca passphrase --ca-passphrase-file old.txt --new-passphrase-file new.txt',
  options: [
    { flags: '--data <dir>', description: 'the data directory', default: './.signet' },
    ...PASSPHRASE,
    { flags: '--new-passphrase-file <file>', description: 'the passphrase from now on' },
    { flags: '--remove', description: 'keep the keys in clear from now on' },
  ],
  run: async (input, io) => {
    const file = input.text('new-passphrase-file');
    if ((file === undefined) !== input.flag('remove')) throw usage('say either --new-passphrase-file FILE or --remove');
    // The store is loaded by no command that asks a server.
    const { readPassphrase } = await import('../../../app/passphrase.ts');
    const { resealData } = await import('../../../app/resealData.ts');
    const old = await readPassphrase(passphraseSource(input));
    await resealData(input.text('data') ?? '', old, await readPassphrase({ file }));
    print(io, file === undefined ? 'the keys are in clear now' : 'the keys are encrypted with the new passphrase');
    return 0;
  },
};
