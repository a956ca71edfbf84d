import type { Report } from '../../src/report/model.ts';
import type { ProbeResult } from '../../src/verify/model.ts';

/** A report on the sample shop: one packet from the storefront to the database met something else than was expected. */
export function sampleReport(
  findings: Report['findings'],
  measured: Omit<ProbeResult, 'from' | 'to' | 'protocol' | 'port' | 'expected'>,
  probed: number,
): Report {
  const [from, to] = ['shop-web/Deployment/storefront', 'shop-data/StatefulSet/postgres'];
  return {
    schema: 'clparity/report/v1',
    equal: false,
    target: 'manifests',
    cluster: 'kind:dev',
    createdAt: '2026-01-01T00:00:00.000Z',
    findings,
    changes: ['created NetworkPolicy shop-web/allow-web'],
    verify: {
      enforcement: { enforced: true, evidence: [] },
      differences: [{ from, to, protocol: 'TCP', port: 5432, expected: 'denied', ...measured }],
      ...{ byScope: [], standIns: [], ownPods: [], notProbed: [], left: [] },
      counts: {
        TCP: { probed, agreed: probed - 1 },
        UDP: { probed: 0, agreed: 0 },
        SCTP: { probed: 0, agreed: 0 },
      },
    },
  };
}
