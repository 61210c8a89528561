// check-dashboards FILE...: holds dashboards against Grafana's own SDK, with the options of panels and the queries: a field
// that is missing or of another type is an error, and so are most that Grafana does not know.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func check(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var board dashboard.Dashboard
	err = board.UnmarshalJSONStrict(raw)
	// Without an error it returns an empty list of them, which is not nil.
	if found, isList := err.(cog.BuildErrors); err != nil && (!isList || len(found) > 0) {
		return err
	}
	return board.Validate()
}

func main() {
	plugins.RegisterDefaultPlugins()
	code := 0
	for _, file := range os.Args[1:] {
		if err := check(file); err != nil {
			fmt.Fprintf(os.Stderr, "%s:\n%s\n", file, err)
			code = 1
		}
	}
	os.Exit(code)
}
