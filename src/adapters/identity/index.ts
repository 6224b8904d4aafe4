export { keyEnv, keyFile } from '../keys/key-file.ts';
export type { KeyService, KeySet, MasterKey, MasterKeys } from '../keys/master.ts';
export { type Change, type Kept, type Place, sqliteVault, type Vault, type VaultOptions } from './vault.ts';
