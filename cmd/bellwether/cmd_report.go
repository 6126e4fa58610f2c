package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bellwether-llm/bellwether/slo"
	"github.com/bellwether-llm/bellwether/store/sqlite"
)

func newReportCommand() *cobra.Command {
	c := &cobra.Command{Use: "report", Short: "Print reports from what is kept"}
	c.AddCommand(newSLOReportCommand())
	return c
}

func newSLOReportCommand() *cobra.Command {
	var file, from, to, format string
	c := &cobra.Command{
		Use: "slo --config FILE", Short: "How every objective stands: attainment, budget, burn", Args: cobra.NoArgs,
		Long: "Reads the store, also while the server runs. Without --from and --to each\nobjective's own window up to now is reported.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(file)
			if err != nil {
				return err
			}
			if format != "table" && format != "csv" {
				return codeError{exitUsage, fmt.Errorf("--format %q: write table or csv", format)}
			}
			start, err := parseTime("--from", from)
			if err != nil {
				return err
			}
			end, err := parseTime("--to", to)
			if err != nil {
				return err
			}
			st, err := sqlite.Open(c.Context(), cfg.Store.File(), sqlite.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			rows, err := slo.Report(c.Context(), st, st, cfg.sloRequest(start, end))
			if err != nil {
				return fmt.Errorf("report: %w", err)
			}
			if format == "csv" {
				return slo.WriteCSV(c.OutOrStdout(), rows)
			}
			return slo.WriteTable(c.OutOrStdout(), rows)
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&from, "from", "", "start, as 2026-11-01 or 2026-11-01T00:00:00Z")
	c.Flags().StringVar(&to, "to", "", "end, exclusive")
	c.Flags().StringVar(&format, "format", "table", "table or csv")
	return c
}

// parseTime reads a day or a moment; "" is the zero time.
func parseTime(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, codeError{exitUsage, fmt.Errorf("%s %q is no time: write 2026-11-01 or 2026-11-01T00:00:00Z", flag, s)}
}
