/** Routing plans. */
import { useState } from 'react';
import { Button } from '@mui/material';
import Add from '@mui/icons-material/AddOutlined';
import { Link, useLocation } from 'wouter';
import { api, body, type Schemas } from '../../api/http';
import { usePlans, type Plan } from '../../api/objects';
import { NewDialog } from '../../common/Change';
import { definitions } from '../../common/definitions';
import { When } from '../../common/Fact';
import { decimal, zoneName } from '../../common/format';
import { figures, Grid, type Column } from '../../common/Grid';
import { Empty, Head, Panel, Trouble } from '../../common/Panel';
import { useZone } from '../../common/place';
import { ORDERS, planFields } from './fields';
import { Groups } from './Groups';
import { May } from '../../common/May';

function columns(zone: string): Column<Plan>[] {
  return [
    { field: 'code', headerName: 'Plan', flex: 1, minWidth: 120 },
    { field: 'order', headerName: 'Order', flex: 1.2, minWidth: 150, valueGetter: (_, row) => ORDERS[row.order] },
    { field: 'routes', headerName: 'Routes', width: 80, ...figures, valueGetter: (_, row) => row.routes.length },
    { field: 'trunks', headerName: 'Trunks and groups', flex: 2, minWidth: 180, sortable: false, narrow: false, valueGetter: (_, row) => row.routes.map((route) => (route.egress_trunk ?? route.trunk_group)?.code).join(', ') },
    { field: 'failover', headerName: 'Then', description: definitions.failover, width: 100, valueGetter: (_, row) => row.failover?.code ?? '' },
    { field: 'attempts_max', headerName: 'Tries', description: definitions.attempts, width: 70, ...figures },
    { field: 'margin_min', headerName: 'Margin guard', description: definitions.marginGuard, width: 110, ...figures, renderCell: ({ row }) => decimal(row.margin_min, 4) },
    { field: 'updated_at', headerName: `Changed (${zone})`, width: 150, narrow: false, renderCell: ({ row }) => <When at={row.updated_at} part="minute" /> },
  ];
}

/** The screen. */
export default function Plans() {
  const plans = usePlans();
  const zone = useZone();
  const [, go] = useLocation();
  const [making, setMaking] = useState(false);
  return (
    <>
      <Head title="Routing plans">
        <Button component={Link} href="/routing/simulate" variant="outlined">Simulate</Button>
        <May to="write"><Button variant="contained" startIcon={<Add />} onClick={() => setMaking(true)}>New plan</Button></May>
      </Head>
      <Trouble error={plans.error} retry={() => void plans.refetch()} />
      <Panel flush>
        <Grid name="plans" rows={plans.data ?? []} columns={columns(zoneName(zone))} loading={plans.isPending && !plans.error} onOpen={(row) => go(`/routing/${row.id}`)}
          empty={<Empty title="No routing plan yet">A plan says which egress trunks may serve an ingress trunk, and in what order.</Empty>} />
      </Panel>
      <Groups />
      {making && (
        <NewDialog side="plan" title="New routing plan" fields={planFields(plans.data)} start={{ order: 'lcr', margin_min: '0', attempts_max: 4, setup_timeout_s: 0, failover: null }} onClose={() => setMaking(false)}
          send={(values) => body(api.POST('/api/v1/plans', { body: { ...values, routes: [] } as unknown as Schemas['PlanNew'] }))} />
      )}
    </>
  );
}
