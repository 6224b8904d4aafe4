import type { KnipConfig } from 'knip';
import { doors } from './scripts/doors.ts';

export default {
  // holds versions, and no code
  ignoreWorkspaces: ['test/lowest'],
  workspaces: {
    '.': {
      entry: [
        ...doors().map(({ source }) => source),
        'scripts/{build,docs-part,lowest,node22,path,source,totals,verify}.ts',
        'bench/peers/{main,play,turns}.ts',
        'examples/*/{main,check,demo-crash}.ts',
        // bundled for the browser
        'src/cli/page/main.ts',
        'test/surface/*.ts',
        // processes of their own
        'test/agentcore/fixtures/*.ts',
        'test/conformance/client.ts',
      ],
      project: ['{src,test,bench,examples,scripts}/**/*.ts'],
    },
  },
  // their packages are installed elsewhere, by bench/peers/install.ts
  ignore: ['bench/peers/frameworks/*.mjs'],
  // a type that names a parameter of an exported function is exported with it
  ignoreExportsUsedInFile: { interface: true, type: true },
  // verify, and test/conformance, run their commands
  ignoreDependencies: ['@arethetypeswrong/cli', 'mcp-conformance', 'mcp-conformance-next', 'publint'],
  // of the system; tests of DynamoDB Local, of a full disk and of a shell that waits need them
  ignoreBinaries: ['java', 'mkfifo', 'prlimit'],
} satisfies KnipConfig;
