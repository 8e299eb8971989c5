// Renders a chart as Helm 3 would: Go's text/template, sprig, and the functions Helm adds.
//
// What it does beyond rendering is what Helm does on the way: it merges values, holds them against
// values.schema.json, checks kubeVersion, and sorts objects as they are created. A document that is
// not strict YAML, has no name, or stands there twice is an error. `lookup` finds nothing.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/template"

	"github.com/Masterminds/semver"
	"github.com/Masterminds/sprig"
	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

// The order in which Helm creates kinds; others come behind (Helm, pkg/releaseutil/kind_sorter.go).
var order = []string{
	"PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange",
	"PodSecurityPolicy", "PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap",
	"StorageClass", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition",
	"ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList", "Role",
	"RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod",
	"ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet",
	"Job", "CronJob", "IngressClass", "Ingress", "APIService", "MutatingWebhookConfiguration",
	"ValidatingWebhookConfiguration",
}

type options struct {
	chart, out, release, namespace, kube string
	upgrade                              bool
	// Files of values and single ones, in the order given.
	values []func(object) error
}

func main() {
	opts, err := arguments(os.Args[1:])
	if err == nil {
		err = render(opts)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "render: %v\n", err)
		os.Exit(1)
	}
}

func arguments(words []string) (options, error) {
	opts := options{release: "portreeve", namespace: "portreeve", kube: "v1.31.0"}
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--upgrade" {
			opts.upgrade = true
			continue
		}
		if !strings.HasPrefix(word, "-") {
			if opts.out != "" {
				return opts, fmt.Errorf("one directory is written, not %q too", word)
			}
			opts.out = word
			continue
		}
		i++
		if i == len(words) {
			return opts, fmt.Errorf("%s needs a value", word)
		}
		text := words[i]
		switch word {
		case "--chart":
			opts.chart = text
		case "--release":
			opts.release = text
		case "--namespace":
			opts.namespace = text
		case "--kube-version":
			opts.kube = "v" + strings.TrimPrefix(text, "v")
		case "-f", "--values":
			opts.values = append(opts.values, fromFile(text))
		case "--set":
			opts.values = append(opts.values, single(text, scalar))
		case "--set-json":
			opts.values = append(opts.values, single(text, fromJSON))
		default:
			return opts, fmt.Errorf("unknown flag %s", word)
		}
	}
	if opts.out == "" {
		return opts, errors.New("name the directory to write")
	}
	return opts, nil
}

func fromFile(path string) func(object) error {
	return func(values object) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		over := object{}
		if err := yaml.UnmarshalStrict(text, &over); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		merge(values, over)
		return nil
	}
}

func single(text string, parse func(string) (interface{}, error)) func(object) error {
	return func(values object) error {
		name, written, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("%q is not NAME=VALUE", text)
		}
		value, err := parse(written)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		parts := strings.Split(name, ".")
		for i := len(parts) - 1; i > 0; i-- {
			value = object{parts[i]: value}
		}
		merge(values, object{parts[0]: value})
		return nil
	}
}

func scalar(text string) (interface{}, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '0' || text == "0" {
		return number, nil
	}
	return text, nil
}

func fromJSON(text string) (interface{}, error) {
	var value interface{}
	err := json.Unmarshal([]byte(text), &value)
	return value, err
}

// Puts `over` over `values`: maps are merged, all else replaced, and null takes a value out.
func merge(values, over object) {
	for name, value := range over {
		if value == nil {
			delete(values, name)
			continue
		}
		below, isMap := value.(object)
		under, wasMap := values[name].(object)
		if isMap && wasMap {
			merge(under, below)
			continue
		}
		values[name] = value
	}
}

func render(opts options) error {
	values, err := readValues(opts)
	if err != nil {
		return err
	}
	chart := object{}
	text, err := os.ReadFile(filepath.Join(opts.chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, &chart); err != nil {
		return fmt.Errorf("Chart.yaml: %w", err)
	}
	version, err := semver.NewVersion(opts.kube)
	if err != nil {
		return fmt.Errorf("--kube-version: %w", err)
	}
	if wanted, stated := chart["kubeVersion"].(string); stated {
		constraint, err := semver.NewConstraint(wanted)
		if err != nil {
			return fmt.Errorf("kubeVersion: %w", err)
		}
		if !constraint.Check(version) {
			return fmt.Errorf("the chart needs Kubernetes %s, not %s", wanted, opts.kube)
		}
	}
	name, _ := chart["name"].(string)
	given := object{
		"Values":  values,
		"Chart":   titled(chart),
		"Release": release(opts),
		"Files":   files{opts.chart},
		"Capabilities": object{
			"KubeVersion": kubeVersion{version},
			"APIVersions": apiVersions{},
			"HelmVersion": object{"Version": "v3.0.0+rendered-without-helm"},
		},
	}
	rendered, err := templates(opts.chart, name, given)
	if err != nil {
		return err
	}
	return write(opts, name, rendered)
}

func readValues(opts options) (object, error) {
	text, err := os.ReadFile(filepath.Join(opts.chart, "values.yaml"))
	if err != nil {
		return nil, err
	}
	values := object{}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	for _, apply := range opts.values {
		if err := apply(values); err != nil {
			return nil, err
		}
	}
	// Numbers become floating point, as they do in Helm.
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	again := object{}
	if err := json.Unmarshal(plain, &again); err != nil {
		return nil, err
	}
	schema, err := os.ReadFile(filepath.Join(opts.chart, "values.schema.json"))
	if err != nil {
		return nil, err
	}
	result, err := gojsonschema.Validate(
		gojsonschema.NewBytesLoader(schema), gojsonschema.NewBytesLoader(plain))
	if err != nil {
		return nil, fmt.Errorf("values.schema.json: %w", err)
	}
	if !result.Valid() {
		why := "the values do not fit the chart's schema:"
		for _, fault := range result.Errors() {
			why += fmt.Sprintf("\n- %s", fault)
		}
		return nil, errors.New(why)
	}
	return again, nil
}

// The members of Chart.yaml as templates name them.
func titled(chart object) object {
	made := object{}
	for name, value := range chart {
		made[strings.ToUpper(name[:1])+name[1:]] = value
	}
	return made
}

func release(opts options) object {
	return object{
		"Name": opts.release, "Namespace": opts.namespace, "Service": "Helm", "Revision": 1,
		"IsInstall": !opts.upgrade, "IsUpgrade": opts.upgrade,
	}
}

type kubeVersion struct{ parsed *semver.Version }

func (v kubeVersion) Version() string    { return v.parsed.Original() }
func (v kubeVersion) GitVersion() string { return v.parsed.Original() }
func (v kubeVersion) String() string     { return v.parsed.Original() }
func (v kubeVersion) Major() string      { return fmt.Sprint(v.parsed.Major()) }
func (v kubeVersion) Minor() string      { return fmt.Sprint(v.parsed.Minor()) }

// The chart decides by the version of Kubernetes alone, since `helm template` knows no others.
type apiVersions struct{}

func (apiVersions) Has(version string) (bool, error) {
	return false, fmt.Errorf("Capabilities.APIVersions is not asked (%s)", version)
}

type files struct{ chart string }

func (f files) Get(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.chart, path))
	return string(text), err
}

func functions(set *template.Template, given object) template.FuncMap {
	known := sprig.TxtFuncMap()
	delete(known, "env")
	delete(known, "expandenv")
	known["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	known["fromYaml"] = func(text string) (object, error) {
		value := object{}
		err := yaml.Unmarshal([]byte(text), &value)
		return value, err
	}
	known["fromYamlArray"] = func(text string) ([]interface{}, error) {
		var value []interface{}
		err := yaml.Unmarshal([]byte(text), &value)
		return value, err
	}
	known["toJson"] = func(value interface{}) (string, error) {
		text, err := json.Marshal(value)
		return string(text), err
	}
	known["fail"] = func(why string) (string, error) { return "", errors.New(why) }
	known["required"] = func(why string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(why)
		}
		return value, nil
	}
	known["lookup"] = func(_, _, _, _ string) object { return object{} }
	depth := 0
	known["include"] = func(name string, data interface{}) (string, error) {
		if depth++; depth > 100 {
			return "", fmt.Errorf("%s includes itself", name)
		}
		defer func() { depth-- }()
		var text strings.Builder
		err := set.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	known["tpl"] = func(text string, data interface{}) (string, error) {
		copied, err := set.Clone()
		if err != nil {
			return "", err
		}
		parsed, err := copied.New("tpl").Parse(text)
		if err != nil {
			return "", err
		}
		var made strings.Builder
		err = parsed.Execute(&made, data)
		return made.String(), err
	}
	return known
}

// The text that each template gives, by its path in the chart.
func templates(chart, name string, given object) (map[string]string, error) {
	set := template.New(name).Option("missingkey=zero")
	set.Funcs(functions(set, given))
	var paths []string
	walk := func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(chart, path)
		if err != nil {
			return err
		}
		if _, err := set.New(name + "/" + below).Parse(string(text)); err != nil {
			return err
		}
		if !strings.HasPrefix(filepath.Base(path), "_") {
			paths = append(paths, name+"/"+below)
		}
		return nil
	}
	if err := filepath.WalkDir(filepath.Join(chart, "templates"), walk); err != nil {
		return nil, err
	}
	rendered := map[string]string{}
	for _, path := range paths {
		given["Template"] = object{"Name": path, "BasePath": name + "/templates"}
		var text strings.Builder
		if err := set.ExecuteTemplate(&text, path, given); err != nil {
			return nil, err
		}
		rendered[path] = strings.ReplaceAll(text.String(), "<no value>", "")
	}
	return rendered, nil
}

type document struct {
	source, text, kind, name string
	events                   []string
	weight, rank             int
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

func documents(rendered map[string]string) ([]document, error) {
	var found []document
	seen := map[string]string{}
	for source, text := range rendered {
		if strings.HasSuffix(source, "/NOTES.txt") {
			continue
		}
		for _, part := range separator.Split(text, -1) {
			made, err := read(source, part)
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", source, err, part)
			}
			if made == nil {
				continue
			}
			if before, twice := seen[made.name]; twice {
				return nil, fmt.Errorf("%s stands in %s and in %s", made.name, before, source)
			}
			seen[made.name] = source
			found = append(found, *made)
		}
	}
	sort.SliceStable(found, func(i, j int) bool {
		a, b := found[i], found[j]
		if a.weight != b.weight {
			return a.weight < b.weight
		}
		if a.rank != b.rank {
			return a.rank < b.rank
		}
		return a.name < b.name
	})
	return found, nil
}

func read(source, text string) (*document, error) {
	plain, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, err
	}
	if string(plain) == "null" {
		return nil, nil
	}
	var head struct {
		APIVersion, Kind string
		Metadata         struct {
			Name, Namespace string
			Annotations     map[string]string
			Labels          map[string]string
		}
	}
	if err := json.Unmarshal(plain, &head); err != nil {
		return nil, err
	}
	if head.APIVersion == "" || head.Kind == "" || head.Metadata.Name == "" {
		return nil, errors.New("an object needs apiVersion, kind and metadata.name")
	}
	made := document{source: source, text: strings.Trim(text, "\n"), kind: head.Kind, rank: len(order)}
	made.name = fmt.Sprintf("%s %s/%s/%s", head.APIVersion, head.Kind, head.Metadata.Namespace,
		head.Metadata.Name)
	for rank, kind := range order {
		if kind == head.Kind {
			made.rank = rank
		}
	}
	if events, hook := head.Metadata.Annotations["helm.sh/hook"]; hook {
		made.events = strings.Split(strings.ReplaceAll(events, " ", ""), ",")
		if weight := head.Metadata.Annotations["helm.sh/hook-weight"]; weight != "" {
			if made.weight, err = strconv.Atoi(weight); err != nil {
				return nil, err
			}
		}
	}
	return &made, nil
}

func write(opts options, name string, rendered map[string]string) error {
	found, err := documents(rendered)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(opts.out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(opts.out, "hooks"), 0o755); err != nil {
		return err
	}
	parts := map[string]*bytes.Buffer{"manifest.yaml": {}, "crds.yaml": {}, "NOTES.txt": {}}
	crds, err := filepath.Glob(filepath.Join(opts.chart, "crds", "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range crds {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(parts["crds.yaml"], "---\n%s\n", strings.TrimSpace(string(text)))
	}
	for _, one := range found {
		text := fmt.Sprintf("---\n# Source: %s\n%s\n", one.source, one.text)
		if len(one.events) == 0 {
			parts["manifest.yaml"].WriteString(text)
		}
		for _, event := range one.events {
			path := "hooks/" + event + ".yaml"
			if parts[path] == nil {
				parts[path] = &bytes.Buffer{}
			}
			parts[path].WriteString(text)
		}
	}
	parts["NOTES.txt"].WriteString(rendered[name+"/templates/NOTES.txt"])
	for path, text := range parts {
		if err := os.WriteFile(filepath.Join(opts.out, path), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
