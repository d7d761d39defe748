package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// issuer signs the lab's certificates and puts each of them, with its key, into one directory.
type issuer struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// writePKI makes ca, apiserver, kubelet and admin (a client in system:masters), each as NAME.crt
// and NAME.key, and sa.key, which signs service account tokens.
func writePKI(dir string) error {
	ca := &issuer{dir: dir}
	if err := ca.root(); err != nil {
		return err
	}
	server := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject:     pkix.Name{CommonName: name},
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default.svc"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
	}
	admin := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for name, template := range map[string]*x509.Certificate{
		"apiserver": server("apiserver"), "kubelet": server("kubelet"), "admin": admin,
	} {
		if _, _, err := ca.issue(name, template); err != nil {
			return err
		}
	}
	_, err := newKey(filepath.Join(dir, "sa.key"))
	return err
}

func (ca *issuer) root() error {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "lab"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	var err error
	ca.cert, ca.key, err = ca.issue("ca", template)
	return err
}

// issue signs template with the issuer's own key, or with the fresh one when there is none yet.
func (ca *issuer) issue(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := newKey(filepath.Join(ca.dir, name+".key"))
	if err != nil {
		return nil, nil, err
	}
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = template, key
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.BasicConstraintsValid = true
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(240*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	if err := writePEM(filepath.Join(ca.dir, name+".crt"), "CERTIFICATE", der); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
