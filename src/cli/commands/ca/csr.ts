import type { CsrAnswer } from '../../../admin/responses.ts';
import { adminClient } from '../../adminClient.ts';
import { type CommandSpec, OUTPUT, print, printJson, SERVER, wantsJson } from '../../command.ts';

export const caCsrCommand: CommandSpec = {
  name: 'ca csr',
  args: [],
  summary: 'print a request (PKCS#10) for an intermediate that somebody else signs',
  example: 'signet ca csr > signet.csr',
  options: [{ flags: '--new', description: 'a new key and request, in place of the pending one' }, OUTPUT, ...SERVER],
  run: async (input, io) => {
    const json = wantsJson(input);
    const answer = await (await adminClient(input, io)).post<CsrAnswer>('/api/v1/ca/csr', { new: input.flag('new') });
    if (json) printJson(io, answer);
    else {
      print(io, answer.csr);
      io.stderr.write(
        `made at ${answer.since}; its key stays in Signet. Have it signed as a CA (path length 0), then: signet ca import FILE\n`,
      );
    }
    return 0;
  },
};
