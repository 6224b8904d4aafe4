/** The token vault. Its KMS key is a name alone: secrets are sealed under a key of this server. */
import type { Operations, World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';
import { VAULT } from '../identity/resources.ts';

interface Kms {
  keyType: 'CustomerManagedKey' | 'ServiceManagedKey';
  kmsKeyArn?: string;
}
interface Vault {
  kmsConfiguration: Kms;
  lastModifiedDate: Date;
}
interface Named {
  tokenVaultId?: string;
}

const DEFAULT = 'default';

export function tokenVaultOperations({ state, clock }: World): Operations {
  const since = new Date(clock.now());
  /** @throws AwsError `ResourceNotFoundException` */
  function vaultOf({ tokenVaultId = DEFAULT }: Named): Vault {
    if (tokenVaultId !== DEFAULT) throw new AwsError('ResourceNotFoundException', `Token vault ${tokenVaultId} was not found.`);
    return state.get<Vault>(VAULT, DEFAULT) ?? { kmsConfiguration: { keyType: 'ServiceManagedKey' }, lastModifiedDate: since };
  }
  return {
    GetTokenVault: (input: Named) => ({ tokenVaultId: DEFAULT, ...vaultOf(input) }),
    SetTokenVaultCMK({ kmsConfiguration, ...named }: Named & { kmsConfiguration: Kms }) {
      vaultOf(named);
      const { keyType, kmsKeyArn } = kmsConfiguration;
      if ((keyType === 'CustomerManagedKey') !== (kmsKeyArn !== undefined))
        throw refused('kmsConfiguration.kmsKeyArn is given with the key type CustomerManagedKey, and with no other.');
      const vault: Vault = { kmsConfiguration, lastModifiedDate: new Date(clock.now()) };
      state.put(VAULT, DEFAULT, vault);
      return { tokenVaultId: DEFAULT, ...vault };
    },
  };
}
