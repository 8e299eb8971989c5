{{/* The Job and the CronJob of gencerts, and their rights. */}}

{{- define "portreeve.gencertsPod" -}}
metadata:
  labels:
    app.kubernetes.io/name: {{ include "portreeve.name" .context }}
    app.kubernetes.io/instance: {{ .context.Release.Name }}
    app.kubernetes.io/component: gencerts
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: OnFailure
  {{- with .context.Values.image.pullSecret }}
  imagePullSecrets:
    - name: {{ . }}
  {{- end }}
  {{- with .context.Values.priorityClass }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "portreeve.podSecurity" .context | nindent 4 }}
  containers:
    - name: gencerts
      image: {{ include "portreeve.image" .context | quote }}
      imagePullPolicy: {{ .context.Values.image.pullPolicy }}
      args:
        - gencerts
        - --namespace={{ .context.Release.Namespace }}
        {{- if eq (include "portreeve.certificates" .context) "gencerts" }}
        - --service={{ include "portreeve.fullname" .context }}
        - --secret={{ include "portreeve.tlsSecret" .context }}
        - --webhooks={{ include "portreeve.fullname" .context }}
        - --validity={{ .context.Values.gencerts.validity }}
        - --renew-before={{ .context.Values.gencerts.renewBefore }}
        {{- range .context.Values.gencerts.extraNames }}
        - --name={{ . }}
        {{- end }}
        {{- end }}
        {{- if .context.Values.sealKey.enabled }}
        - --seal-secret={{ include "portreeve.sealSecret" .context }}
        {{- end }}
      resources:
        {{- toYaml .context.Values.gencerts.resources | nindent 8 }}
      securityContext:
        {{- include "portreeve.containerSecurity" .context | nindent 8 }}
  {{- with .context.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .context.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Two Secrets by name, new Secrets (RBAC cannot name what is not there yet), and the caBundle of
     the two webhook configurations. */}}
{{- define "portreeve.gencertsRights" -}}
{{- $labels := include "portreeve.labels" .context -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .account }}
  namespace: {{ .context.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .account }}
  namespace: {{ .context.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ include "portreeve.tlsSecret" .context }}, {{ include "portreeve.sealSecret" .context }}]
    verbs: [get, patch]
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .account }}
  namespace: {{ .context.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .account }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .context.Release.Namespace }}
{{- if eq (include "portreeve.certificates" .context) "gencerts" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .account }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  - apiGroups: [admissionregistration.k8s.io]
    resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
    resourceNames: [{{ include "portreeve.fullname" .context }}]
    verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .account }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .account }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .context.Release.Namespace }}
{{- end }}
{{- end -}}
