import { readFile, stat } from 'node:fs/promises';
import type { ImportAnswer } from '../../../admin/responses.ts';
import { AppError, messageOf } from '../../../lib/errors.ts';
import { adminClient } from '../../adminClient.ts';
import { type CommandSpec, OUTPUT, print, printJson, SERVER, wantsJson } from '../../command.ts';

/** As much as is sent; what is too large for a chain the control plane says. */
const MOST_BYTES = 100_000;

const readChain = async (file: string): Promise<string> => {
  try {
    const { size } = await stat(file);
    if (size > MOST_BYTES) throw new AppError('chain_refused', `it is larger than a chain can be (${size} bytes)`);
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new AppError('chain_refused', `the chain in ${file} cannot be taken: ${messageOf(error)}`, { cause: error });
  }
};

export const caImportCommand: CommandSpec = {
  name: 'ca import',
  args: [
    {
      form: '<file>',
      description: 'the chain, PEM: the signed intermediate first, each one’s issuer behind it, the root last',
    },
  ],
  summary: 'take the chain for the pending request and prepare it',
  example: 'signet ca import chain.pem',
  options: [OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const chain = await readChain(input.args[0] ?? '');
    const answer = await (await adminClient(input, io)).post<ImportAnswer>('/api/v1/ca/import', { chain });
    if (json) printJson(io, answer);
    else {
      const { root, rootIsNew, intermediate } = answer;
      const known = rootIsNew ? 'new, every sidecar is told to trust it too' : 'the one in force';
      const show = ({ subject, serial, notAfter }: ImportAnswer['root']): string =>
        `${subject}, serial ${serial}, until ${notAfter}`;
      print(
        io,
        `prepared: ${show(intermediate)}\nroot (${known}): ${show(root)}\nit signs when it is rotated to: signet ca rotate --yes`,
      );
    }
    return 0;
  },
};
