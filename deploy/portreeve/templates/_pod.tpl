{{/* The pod of the webhook, for a Deployment or a StatefulSet. */}}

{{- define "portreeve.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.securityContext }}
{{- range $name := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- $id := index $.Values.securityContext $name }}
{{- if not (kindIs "invalid" $id) }}
{{ $name }}: {{ int64 $id }}
{{- end }}
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "portreeve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "portreeve.affinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "portreeve.selector" . | nindent 12 }}
    - weight: 50
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "portreeve.selector" . | nindent 12 }}
{{- end -}}

{{- define "portreeve.pod" -}}
metadata:
  labels:
    {{- include "portreeve.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # The configuration is read at the start, so a new one needs new pods.
    checksum/config: {{ include "portreeve.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "portreeve.serviceAccount" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with .Values.image.pullSecret }}
  imagePullSecrets:
    - name: {{ . }}
  {{- end }}
  {{- if .Values.useHostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .Values.priorityClass }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "portreeve.drainSeconds" . }}
  securityContext:
    {{- include "portreeve.podSecurity" . | nindent 4 }}
  containers:
    - name: portreeve
      image: {{ include "portreeve.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/portreeve/config/portreeve.yaml]
      env:
        # The name of the replica; that of the host would be one for all pods on its network.
        - name: HOSTNAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: https
          containerPort: {{ int .Values.service.targetPort }}
          protocol: TCP
        {{- if .Values.service.metricsPort }}
        - name: metrics
          containerPort: {{ int .Values.service.metricsPort }}
          protocol: TCP
        {{- end }}
      # Recovery of a long journal comes before the listener.
      startupProbe:
        httpGet: {path: /livez, port: https, scheme: HTTPS}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /livez, port: https, scheme: HTTPS}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: https, scheme: HTTPS}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "portreeve.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/portreeve/config, readOnly: true}
        - {name: tls, mountPath: /etc/portreeve/tls, readOnly: true}
        {{- if .Values.sealKey.enabled }}
        - {name: seal, mountPath: /etc/portreeve/seal, readOnly: true}
        {{- end }}
        {{- if .Values.bundle.configMap }}
        - {name: bundle, mountPath: /etc/portreeve/bundle, readOnly: true}
        {{- end }}
        - {name: data, mountPath: /var/lib/portreeve}
  volumes:
    {{- with .Values.bundle.configMap }}
    - name: bundle
      configMap:
        name: {{ . }}
    {{- end }}
    - name: config
      configMap:
        name: {{ include "portreeve.fullname" . }}
    - name: tls
      secret:
        secretName: {{ include "portreeve.tlsSecret" . }}
        defaultMode: 0440
        # Nothing else of the Secret, such as a key of an authority, comes into the container.
        items:
          - {key: tls.crt, path: tls.crt}
          - {key: tls.key, path: tls.key}
    {{- if .Values.sealKey.enabled }}
    - name: seal
      secret:
        secretName: {{ include "portreeve.sealSecret" . }}
        defaultMode: 0440
        items:
          - {key: seal.key, path: seal.key}
    {{- end }}
    {{- if not .Values.journal.persistence.enabled }}
    - name: data
      emptyDir:
        sizeLimit: {{ .Values.journal.sizeLimit }}
    {{- end }}
  affinity:
    {{- .Values.affinity | default (include "portreeve.affinity" . | fromYaml) | toYaml | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
