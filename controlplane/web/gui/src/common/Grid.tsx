/** The table of all lists: dense, quiet, keyboard first, columns chosen per browser. Pages come from the API by cursor. */
import { useMemo } from 'react';
import { DataGrid, type DataGridProps, type GridColDef, type GridValidRowModel, type NoRowsOverlayPropsOverrides } from '@mui/x-data-grid';
import { Box, useMediaQuery } from '@mui/material';
import { remember, useRemembered } from './place';

declare module '@mui/x-data-grid' {
  interface NoRowsOverlayPropsOverrides {
    /** What is said instead of rows. */
    empty?: React.ReactNode;
  }
}

/** A column; `narrow: false` leaves it out below 700 px, `spare` below 1,900 px unless it was chosen. */
export type Column<R extends GridValidRowModel> = GridColDef<R> & { narrow?: boolean; spare?: boolean };

interface Props<R extends GridValidRowModel> extends Omit<DataGridProps<R>, 'columns'> {
  /** Under which name chosen columns are remembered. */
  name: string;
  columns: Column<R>[];
  onOpen?: (row: R) => void;
  /** Pixels that the page takes above and below the table. */
  above?: number;
  empty: React.ReactNode;
}

/** Rows that the table may hold on one page. */
export const PAGE_ROWS = 100;

function shown(stored: string): Record<string, boolean> {
  try {
    return JSON.parse(stored || '{}') as Record<string, boolean>;
  } catch {
    return {};
  }
}

/** A table of `columns`; Enter or a click opens a row. */
export function Grid<R extends GridValidRowModel>({ name, columns, onOpen, empty, sx, above = 210, ...rest }: Props<R>) {
  const wide = useMediaQuery('(min-width:700px)');
  const huge = useMediaQuery('(min-width:1900px)');
  const chosen = useRemembered(`columns.${name}`, '');
  const visible = useMemo(() => {
    const model: Record<string, boolean> = {};
    if (!huge) for (const column of columns) if (column.spare) model[column.field] = false;
    if (!wide) for (const column of columns) if (column.narrow === false) model[column.field] = false;
    return { ...model, ...(wide ? shown(chosen) : {}) };
  }, [wide, huge, columns, chosen]);
  const all = useMemo(() => columns.map(({ narrow: _, spare: __, ...column }) => ({ ...column, ...(wide ? {} : { flex: undefined }) })) as GridColDef<R>[], [columns, wide]);
  return (
    <Box sx={{ display: 'flex', flexDirection: 'column', maxHeight: { xs: '75vh', md: `calc(100vh - ${above}px)` }, minHeight: 0 }}>
    <DataGrid<R>
      columns={all}
      columnVisibilityModel={visible}
      onColumnVisibilityModelChange={(model) => wide && remember(`columns.${name}`, JSON.stringify(model))}
      rowHeight={29}
      columnHeaderHeight={32}
      hideFooter={(rest.rows?.length ?? 0) <= PAGE_ROWS}
      pageSizeOptions={[PAGE_ROWS]}
      // Where the browser draws scrollbars over the page, the last row would lie under ours.
      scrollbarSize={10}
      disableRowSelectionOnClick
      disableColumnFilter
      onRowClick={(params) => onOpen?.(params.row)}
      onCellKeyDown={(params, event) => {
        if (event.key === 'Enter' && onOpen) onOpen(params.row);
      }}
      slots={{ noRowsOverlay: NoRows }}
      slotProps={{ noRowsOverlay: { empty } }}
      sx={[
        {
          '& .MuiDataGrid-cell, & .MuiDataGrid-columnHeader': { px: 0.75 },
          '& .MuiDataGrid-row': { cursor: onOpen ? 'pointer' : 'default' },
          '& .MuiDataGrid-columnHeader': { '&:focus, &:focus-within': { outlineOffset: -2 } },
        },
        ...(Array.isArray(sx) ? sx : [sx]),
      ]}
      {...rest}
    />
    </Box>
  );
}

function NoRows({ empty }: NoRowsOverlayPropsOverrides) {
  return <Box sx={{ height: '100%', display: 'flex', alignItems: 'center', justifyContent: 'center', whiteSpace: 'normal' }}>{empty}</Box>;
}

/** Settings shared by all columns of figures. */
export const figures = { align: 'right', headerAlign: 'right', sortable: false } as const;
