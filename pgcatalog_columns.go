package streamsql

import (
	"net"
	"strconv"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// informationColumns are the rows of information_schema.columns.
func informationColumns(v *systemView) []systemRow {
	var rows []systemRow
	for _, o := range v.objects {
		if o.kind == "m" {
			continue // as in PostgreSQL
		}
		for i, f := range o.columns {
			oid, _ := typeOID(f.Type)
			t, array, _ := typeByOID(oid)
			udt := t.name
			data := formatType(oid, -1)
			if array {
				udt, data = "_"+udt, "ARRAY"
			}
			row := systemRow{"table_catalog": v.database(), "table_schema": o.schema, "table_name": o.relation, "column_name": f.Name, "ordinal_position": i + 1,
				"is_nullable": yesNo(!f.NotNull || o.kind == "v"), "data_type": data, "udt_catalog": v.database(), "udt_schema": "pg_catalog", "udt_name": udt,
				"dtd_identifier": strconv.Itoa(i + 1), "is_self_referencing": "NO", "is_identity": "NO", "is_generated": "NEVER",
				"is_updatable": yesNo(o.Table != nil)}
			text, generated := o.columnDefault(i)
			switch {
			case generated:
				row["is_generated"], row["generation_expression"] = "ALWAYS", text
			case text != "":
				row["column_default"] = text
			}
			if o.Table != nil && o.Table.Columns[i].Identity != planner.NotIdentity {
				row["is_identity"], row["identity_generation"] = "YES", "BY DEFAULT"
				if o.Table.Columns[i].Identity == planner.IdentityAlways {
					row["identity_generation"] = "ALWAYS"
				}
			}
			numbers(row, f.Type)
			rows = append(rows, row)
		}
	}
	return rows
}

// numbers fills in how much a type holds.
func numbers(row systemRow, t types.Type) {
	bits := map[types.Kind]int{types.Int2: 16, types.Int4: 32, types.Int8: 64, types.Float4: 24, types.Float8: 53}[t.Kind]
	switch {
	case bits > 0:
		row["numeric_precision"], row["numeric_precision_radix"] = bits, 2
		if t.IsInteger() {
			row["numeric_scale"] = 0
		}
	case t.Kind == types.Numeric:
		row["numeric_precision_radix"] = 10
		if t.Precision > 0 {
			row["numeric_precision"], row["numeric_scale"] = int(t.Precision), int(t.Scale)
		}
	case t.Kind == types.Text:
		row["character_octet_length"] = 1 << 30
		if t.Precision > 0 {
			row["character_maximum_length"], row["character_octet_length"] = int(t.Precision), 4*int(t.Precision)
		}
	case t.Kind == types.Date:
		row["datetime_precision"] = 0
	case t.Kind == types.Time, t.Kind == types.Timestamp, t.Kind == types.TimestampTZ, t.Kind == types.Interval:
		row["datetime_precision"] = 6
		if t.Precision > 0 && t.Kind != types.Interval {
			row["datetime_precision"] = int(t.Precision) - 1
		}
	}
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// splitAddress cuts a client's address; nil where there is none.
func splitAddress(address string) (host, port any) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		return h, nil
	}
	return h, n
}
