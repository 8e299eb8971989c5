{{/* What the two webhook configurations have in common. */}}

{{- define "portreeve.webhookMetadata" -}}
name: {{ include "portreeve.fullname" . }}
labels:
  {{- include "portreeve.labels" . | nindent 2 }}
{{- $annotations := deepCopy .Values.webHooks.annotations }}
{{- if eq (include "portreeve.certificates" .) "cert-manager" }}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "portreeve.tlsSecret" .)) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The members of a webhook but its name and path. gencerts and cert-manager fill in caBundle, and
     an upgrade leaves alone what is not written here. */}}
{{- define "portreeve.webhook" -}}
{{- $ways := include "portreeve.certificates" .context -}}
{{- $values := .context.Values -}}
name: {{ .name }}
clientConfig:
  service:
    name: {{ include "portreeve.fullname" .context }}
    namespace: {{ .context.Release.Namespace }}
    path: {{ .path }}
    port: {{ int $values.service.port }}
  {{- if eq $ways "values" }}
  caBundle: {{ required "UseGeneratedCerts.caCert is the PEM of the authority" $values.UseGeneratedCerts.caCert | b64enc }}
  {{- else if $values.webHooks.caBundle }}
  caBundle: {{ $values.webHooks.caBundle | b64enc }}
  {{- else if and (eq $ways "supplied") (not $values.webHooks.annotations) }}
  {{- fail "with SkipSecretCreation, set webHooks.caBundle, or webHooks.annotations for an injector" }}
  {{- end }}
# Every kind that can run an image, in all versions in which the API server has it.
rules:
  - operations: [CREATE, UPDATE]
    apiGroups: [""]
    apiVersions: ["*"]
    resources: [pods, pods/ephemeralcontainers, replicationcontrollers]
    scope: Namespaced
  - operations: [CREATE, UPDATE]
    apiGroups: [apps, extensions]
    apiVersions: ["*"]
    resources: [daemonsets, deployments, replicasets, statefulsets]
    scope: Namespaced
  - operations: [CREATE, UPDATE]
    apiGroups: [batch]
    apiVersions: ["*"]
    resources: [cronjobs, jobs]
    scope: Namespaced
namespaceSelector:
  matchExpressions:
    # The API server sets this label since Kubernetes 1.21, and nobody can change it.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
        {{- prepend $values.bootstrapNamespaces .context.Release.Namespace | uniq | toYaml | nindent 8 }}
    {{- if $values.AllowAdmissionSkip }}
    - key: securityenforcement.admission.cloud.ibm.com/namespace
      operator: NotIn
      values: [skip]
    {{- end }}
    {{- with $values.NamespaceSelectorAdmissionSkip }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- if semverCompare ">=1.28-0" .context.Capabilities.KubeVersion.Version }}
matchConditions:
  # The mirror of a static Pod, made by the kubelet of the node that runs it already.
  - name: not-a-mirror-of-a-static-pod
    expression: >-
      !(request.operation == 'CREATE' && request.kind.group == '' && request.kind.kind == 'Pod'
      && has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups
      && has(object.metadata.annotations)
      && 'kubernetes.io/config.mirror' in object.metadata.annotations
      && has(object.spec.nodeName)
      && request.userInfo.username == 'system:node:' + object.spec.nodeName)
  # The end of what is being deleted, such as a finalizer taken out, while its spec stays as it is.
  - name: not-the-end-of-a-deletion
    expression: >-
      !(request.operation == 'UPDATE' && has(oldObject.metadata.deletionTimestamp)
      && has(object.spec) && has(oldObject.spec) && object.spec == oldObject.spec)
  {{- with $values.webHooks.matchConditions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- else if $values.webHooks.matchConditions }}
{{- fail "webHooks.matchConditions needs Kubernetes 1.28" }}
{{- end }}
matchPolicy: Equivalent
failurePolicy: {{ $values.webHooks.failurePolicy }}
sideEffects: NoneOnDryRun
timeoutSeconds: {{ int $values.webHooks.timeoutSeconds }}
admissionReviewVersions: [v1, v1beta1]
{{- end -}}
