import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An enterprise's PKI as people make it by hand with openssl: a root, an issuing CA below it, and a script that signs. */
export type OpensslCa = {
  readonly dir: string;
  /** The command for mesh.yaml: PKCS#10 on stdin, the chain on stdout. */
  readonly command: string;
  readonly rootPem: string;
  /** Signs a request as a CA by hand: the chain with the root. */
  readonly signCa: (csrPem: string) => string;
  /** Whether the script fails instead of signing. */
  readonly away: (isAway: boolean) => void;
  readonly stop: () => Promise<void>;
};

// Requests by a program that another one started at the same time: every file has the process in its name.
const SCRIPT = `#!/bin/sh
set -e
cd "$(dirname "$0")"
if [ -e away ]; then echo "the HSM is away" >&2; exit 7; fi
trap 'rm -f req.$$ ext.$$' EXIT
cat > req.$$
serial=0x$(openssl rand -hex 16)
if [ "$SIGNET_SIGN" = leaf ]; then
  openssl x509 -req -in req.$$ -CA issuing.pem -CAkey issuing.key -set_serial $serial -days 1 -copy_extensions copy 2>/dev/null
  cat issuing.pem root.pem
else
  openssl x509 -req -in req.$$ -CA issuing.pem -CAkey issuing.key -set_serial $serial -days 7 -copy_extensions copy 2>/dev/null
  cat issuing.pem root.pem
fi
`;

export const opensslCa = (keyOfRoot: readonly string[] = ['-newkey', 'rsa:2048']): OpensslCa => {
  const dir = mkdtempSync(join(tmpdir(), 'signet-enterprise-'));
  const openssl = (...args: readonly string[]): string =>
    execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  openssl(
    'req',
    '-x509',
    ...keyOfRoot,
    '-noenc',
    '-keyout',
    'root.key',
    '-out',
    'root.pem',
    '-days',
    '3650',
    '-subj',
    '/O=Corp/CN=Corp Root',
  );
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-noenc',
    '-keyout',
    'issuing.key',
    '-out',
    'issuing.csr',
    '-subj',
    '/O=Corp/CN=Corp Issuing CA',
  );
  writeFileSync(join(dir, 'ca.ext'), 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'issuing.csr',
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-set_serial',
    '2',
    '-days',
    '1825',
    '-extfile',
    'ca.ext',
    '-out',
    'issuing.pem',
  );
  const command = join(dir, 'sign.sh');
  writeFileSync(command, SCRIPT, { mode: 0o755 });
  return {
    dir,
    command,
    rootPem: readFileSync(join(dir, 'root.pem'), 'utf8'),
    signCa: (csrPem) => {
      writeFileSync(join(dir, 'signet.csr'), csrPem);
      writeFileSync(
        join(dir, 'signet.ext'),
        'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n',
      );
      openssl(
        'x509',
        '-req',
        '-in',
        'signet.csr',
        '-CA',
        'issuing.pem',
        '-CAkey',
        'issuing.key',
        '-set_serial',
        `${Date.now()}`,
        '-days',
        '365',
        '-extfile',
        'signet.ext',
        '-out',
        'signet.pem',
      );
      return ['signet.pem', 'issuing.pem', 'root.pem'].map((name) => readFileSync(join(dir, name), 'utf8')).join('');
    },
    away: (isAway) => {
      if (isAway) writeFileSync(join(dir, 'away'), '');
      else renameSync(join(dir, 'away'), join(dir, 'back'));
    },
    stop: async () => rmSync(dir, { recursive: true }),
  };
};
