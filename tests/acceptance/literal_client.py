# fmt: off
# ruff: noqa: B006, I001, Q000, RET505, RUF002, S113, T201, TID251, W293
"""The Python client of the API's first documentation, word for word.

Clients have it in use and it must go on working unchanged, so its style and its language are left
as they are; only the documentation's pieces are put together.
"""

import requests
import hmac
import hashlib
import json
import time

class GenerationServiceClient:
    def __init__(self, base_url, shared_key):
        self.base_url = base_url
        self.shared_key = shared_key
    
    def generate_signature(self, lots):
        normalized = json.dumps(lots, separators=(',', ':'), sort_keys=True)
        return hmac.new(self.shared_key.encode(), normalized.encode(), hashlib.sha256).hexdigest()
    
    def sync_generate(self, lot_id, additional_info, image_urls, languages=["en"]):
        """Синхронная обработка одного автомобиля"""
        lots = [{
            "lot_id": lot_id,
            "additional_info": additional_info,
            "images": [{"url": url} for url in image_urls]
        }]
        
        payload = {
            "signature": self.generate_signature(lots),
            "version": "1.0.0",
            "languages": languages,
            "lots": lots
        }
        
        response = requests.post(
            f"{self.base_url}/api/v1/generate-descriptions",
            json=payload,
            headers={"Content-Type": "application/json"},
            timeout=300  # 5 минут для синхронного режима
        )
        
        return response.json(), response.status_code

    def batch_generate_with_polling(self, cars_data, languages=["en"], webhook_url=None):
        """Пакетная обработка с polling для получения результатов"""
    
        # Подготовка lots для пакетной обработки
        lots = []
        for car in cars_data:
            lot = {
                "lot_id": car["lot_id"],
                "additional_info": car["additional_info"],
                "images": [{"url": url} for url in car["image_urls"]]
            }
            if webhook_url:
                lot["webhook"] = webhook_url
            lots.append(lot)
    
        # Отправка пакетного запроса
        payload = {
            "signature": self.generate_signature(lots),
            "version": "1.0.0",
            "languages": languages,
            "lots": lots
        }
    
        response = requests.post(
            f"{self.base_url}/api/v1/generate-descriptions",
            json=payload,
            headers={"Content-Type": "application/json"}
        )
    
        if response.status_code != 201:
            return None, f"Failed to create batch job: {response.text}"
    
        job_data = response.json()
        job_id = job_data["job_id"]
        print(f"Batch job created: {job_id}")
    
        # Polling для отслеживания прогресса
        return self.poll_for_results(job_id)

    def poll_for_results(self, job_id, poll_interval=30, max_wait_time=3600):
        """Polling результатов пакетного задания"""
        start_time = time.time()
    
        # Создаем signature для polling запросов
        polling_signature = hmac.new(
            self.shared_key.encode(),
            job_id.encode(),
            hashlib.sha256
        ).hexdigest()
    
        headers = {
            "Content-Type": "application/json",
            "X-Signature": f"sha256={polling_signature}"
        }
    
        while time.time() - start_time < max_wait_time:
            # Проверяем статус
            status_response = requests.get(
                f"{self.base_url}/api/v1/batch-status/{job_id}",
                headers=headers
            )
        
            if status_response.status_code != 200:
                return None, f"Failed to get status: {status_response.text}"
        
            status_data = status_response.json()
            print(f"Job {job_id} status: {status_data['status']} - "
                  f"{status_data['progress']['completion_percentage']:.1f}% complete")
        
            if status_data["status"] == "completed":
                # Получаем результаты
                results_response = requests.get(
                    f"{self.base_url}/api/v1/batch-results/{job_id}",
                    headers=headers
                )
            
                if results_response.status_code == 200:
                    return results_response.json(), None
                else:
                    return None, f"Failed to get results: {results_response.text}"
        
            elif status_data["status"] == "failed":
                return None, f"Job failed: {status_data.get('error_message', 'Unknown error')}"
        
            elif status_data["status"] == "cancelled":
                return None, "Job was cancelled"
        
            # Ждем перед следующей проверкой
            time.sleep(poll_interval)
    
        return None, f"Timeout after {max_wait_time} seconds"

    def cancel_batch_job(self, job_id):
        """Отмена пакетного задания"""
        cancel_signature = hmac.new(
            self.shared_key.encode(),
            job_id.encode(),
            hashlib.sha256
        ).hexdigest()
    
        headers = {
            "Content-Type": "application/json",
            "X-Signature": f"sha256={cancel_signature}"
        }
    
        response = requests.post(
            f"{self.base_url}/api/v1/batch-jobs/{job_id}/cancel",
            headers=headers
        )
    
        return response.json(), response.status_code


def verify_webhook_signature(payload_json, received_signature, shared_key):
    expected_signature = hmac.new(
        shared_key.encode(),
        payload_json.encode(),
        hashlib.sha256
    ).hexdigest()
    return f"sha256={expected_signature}" == received_signature
