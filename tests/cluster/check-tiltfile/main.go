// check-tiltfile ROOT RENDERED.yaml: runs ROOT/Tiltfile with stubs in place of Tilt's functions, and says what Tilt would
// stumble over: an unknown function or argument, a path that is not there, a resource or an image that the manifests
// (RENDERED.yaml, what `kubectl kustomize` makes of the overlay) don't have, a dependency on nothing.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"sigs.k8s.io/yaml"
)

// What the Tiltfile may call: the arguments in the order of Tilt's API reference.
var signatures = map[string][]string{
	"allow_k8s_contexts": {"contexts"},
	"update_settings":    {"max_parallel_updates", "k8s_upsert_timeout_secs", "suppress_unused_image_warnings"},
	"local_resource":     {"name", "cmd", "deps", "trigger_mode", "resource_deps", "ignore", "auto_init", "serve_cmd", "labels", "dir"},
	"k8s_yaml":           {"yaml"},
	"kustomize":          {"pathToDir"},
	"docker_build":       {"ref", "context", "build_args", "dockerfile", "live_update", "ignore", "only", "target", "entrypoint"},
	"k8s_resource":       {"workload", "new_name", "port_forwards", "resource_deps", "objects", "trigger_mode", "labels", "auto_init", "pod_readiness"},
	"sync":               {"local_path", "remote_path"},
	"run":                {"cmd", "trigger"},
	"fall_back_on":       {"files"},
}

type call struct {
	name string
	args map[string]any
	at   syntax.Position
}

type checker struct {
	root     string
	calls    []call
	problems []string
}

func (c *checker) complain(at syntax.Position, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("Tiltfile:%d: %s", at.Line, fmt.Sprintf(format, args...)))
}

func plain(value starlark.Value) any {
	switch v := value.(type) {
	case starlark.String:
		return string(v)
	case starlark.Bool:
		return bool(v)
	case starlark.Int:
		n, _ := v.Int64()
		return n
	case *starlark.Dict:
		out := map[string]any{}
		for _, item := range v.Items() {
			out[fmt.Sprint(plain(item[0]))] = plain(item[1])
		}
		return out
	case starlark.Iterable:
		out := []any{}
		iter := v.Iterate()
		defer iter.Done()
		var item starlark.Value
		for iter.Next(&item) {
			out = append(out, plain(item))
		}
		return out
	default:
		return v.String()
	}
}

func (c *checker) stub(name string, params []string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		at := thread.CallFrame(1).Pos
		got := map[string]any{}
		if len(args) > len(params) {
			return nil, fmt.Errorf("%s takes %d arguments at most", name, len(params))
		}
		for i, arg := range args {
			got[params[i]] = plain(arg)
		}
		for _, pair := range kwargs {
			key := string(pair[0].(starlark.String))
			known := false
			for _, param := range params {
				known = known || param == key
			}
			if !known {
				return nil, fmt.Errorf("%s has no argument %s", name, key)
			}
			if _, twice := got[key]; twice {
				return nil, fmt.Errorf("%s was given %s twice", name, key)
			}
			got[key] = plain(pair[1])
		}
		c.calls = append(c.calls, call{name, got, at})
		return starlark.String(name + ":" + fmt.Sprint(got[params[0]])), nil
	})
}

func (c *checker) exists(at syntax.Position, path string) {
	// What the compiler makes is there only after a build.
	path = strings.TrimSuffix(path, "/dist")
	if _, err := os.Stat(filepath.Join(c.root, path)); err != nil {
		c.complain(at, "there is no %s", path)
	}
}

func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		out := []string{}
		for _, item := range v {
			out = append(out, fmt.Sprint(item))
		}
		return out
	default:
		return nil
	}
}

type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// workloads by name, and all images of the manifests.
func rendered(file string) (map[string]object, map[string]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	workloads, images := map[string]object{}, map[string]bool{}
	for _, document := range strings.Split(string(data), "\n---\n") {
		var one object
		if err := yaml.Unmarshal([]byte(document), &one); err != nil {
			return nil, nil, err
		}
		switch one.Kind {
		case "Deployment", "StatefulSet", "Job":
			workloads[one.Metadata.Name] = one
		}
		for _, match := range regexp.MustCompile(`(?m)^ +(?:- )?image: (\S+)$`).FindAllStringSubmatch(document, -1) {
			images[regexp.MustCompile(`:[^/:]+$`).ReplaceAllString(match[1], "")] = true
		}
	}
	return workloads, images, nil
}

var script = regexp.MustCompile(`npm (?:run )?([a-z:-]+)|pnpm@\S+ run ([a-z:-]+)`)
var file = regexp.MustCompile(`(?:^| )((?:deploy|tests)/\S+\.sh)`)
var deletion = regexp.MustCompile(`kubectl -n (\S+) .*app\.kubernetes\.io/name=([a-z-]+)`)

func (c *checker) command(at syntax.Position, text string, scripts map[string]string, workloads map[string]object) {
	for _, match := range script.FindAllStringSubmatch(text, -1) {
		name := match[1] + match[2]
		if _, found := scripts[name]; !found {
			c.complain(at, "package.json has no script %s", name)
		}
	}
	for _, match := range file.FindAllStringSubmatch(text, -1) {
		c.exists(at, match[1])
	}
	for _, match := range deletion.FindAllStringSubmatch(text, -1) {
		if workload, found := workloads[match[2]]; !found || workload.Metadata.Namespace != match[1] {
			c.complain(at, "no workload %s in namespace %s", match[2], match[1])
		}
	}
}

func (c *checker) check(workloads map[string]object, images map[string]bool, scripts map[string]string) {
	resources, built := map[string]bool{}, map[string]bool{}
	for name := range workloads {
		resources[name] = true
	}
	for _, one := range c.calls {
		if one.name == "local_resource" {
			resources[fmt.Sprint(one.args["name"])] = true
		}
	}
	for _, one := range c.calls {
		for _, dependency := range texts(one.args["resource_deps"]) {
			if !resources[dependency] {
				c.complain(one.at, "%v depends on %s, which is no resource", one.args, dependency)
			}
		}
		switch one.name {
		case "kustomize":
			c.exists(one.at, fmt.Sprint(one.args["pathToDir"])+"/kustomization.yaml")
		case "local_resource":
			for _, path := range texts(one.args["deps"]) {
				c.exists(one.at, path)
			}
			c.command(one.at, fmt.Sprint(one.args["cmd"]), scripts, workloads)
		case "docker_build":
			ref := fmt.Sprint(one.args["ref"])
			built[ref] = true
			if !images[ref] {
				c.complain(one.at, "no manifest has the image %s", ref)
			}
			c.exists(one.at, fmt.Sprint(one.args["dockerfile"]))
			for _, path := range texts(one.args["only"]) {
				c.exists(one.at, path)
			}
		case "k8s_resource":
			if _, found := workloads[fmt.Sprint(one.args["workload"])]; !found {
				c.complain(one.at, "the manifests have no workload %v", one.args["workload"])
			}
		case "sync":
			c.exists(one.at, fmt.Sprint(one.args["local_path"]))
		case "fall_back_on":
			for _, path := range texts(one.args["files"]) {
				c.exists(one.at, path)
			}
		}
	}
	for image := range images {
		if strings.HasPrefix(image, "godwit/") && !built[image] {
			c.problems = append(c.problems, "nothing builds "+image)
		}
	}
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: check-tiltfile ROOT RENDERED.yaml")
		os.Exit(2)
	}
	c := &checker{root: os.Args[1]}
	globals := starlark.StringDict{
		"TRIGGER_MODE_AUTO":   starlark.String("auto"),
		"TRIGGER_MODE_MANUAL": starlark.String("manual"),
	}
	for name, params := range signatures {
		globals[name] = c.stub(name, params)
	}
	// As Tilt has it: statements at the top, names that may be set again.
	options := &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true, Set: true, Recursion: true}
	_, err := starlark.ExecFileOptions(options, &starlark.Thread{Name: "Tiltfile"}, filepath.Join(c.root, "Tiltfile"), nil, globals)
	if err != nil {
		c.problems = append(c.problems, err.Error())
	}
	workloads, images, err := rendered(os.Args[2])
	if err != nil {
		c.problems = append(c.problems, err.Error())
	}
	var manifest struct{ Scripts map[string]string }
	data, err := os.ReadFile(filepath.Join(c.root, "package.json"))
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		c.problems = append(c.problems, err.Error())
	}
	c.check(workloads, images, manifest.Scripts)
	sort.Strings(c.problems)
	for _, problem := range c.problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(c.problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d calls, %d workloads, %d images\n", len(c.calls), len(workloads), len(images))
}
